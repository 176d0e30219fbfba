//! The command line of the synthetic world.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use sightline_world::assets::Files;
use sightline_world::body::Library;
use sightline_world::check;
use sightline_world::crops::{self, Order};
use sightline_world::film::film;
use sightline_world::identity::{Crowd, Difficulty};
use sightline_world::spec::Scene;
use sightline_world::stage::Stage;

#[derive(Parser)]
#[command(
    name = "world",
    version,
    about = "Dressed people walking through places seen by cameras, with everything known about them"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A contact sheet of people with their captions (PNG)
    Sheet {
        /// Chance
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many people
        #[arg(long, default_value_t = 100)]
        people: usize,
        /// 0 easy to 1 very hard
        #[arg(long, default_value_t = 0.5, value_parser = dial)]
        difficulty: f32,
        /// Share of children
        #[arg(long, default_value_t = 0.1, value_parser = dial)]
        children: f32,
        /// Where to write it
        #[arg(long)]
        out: PathBuf,
    },
    /// A scene filmed by several cameras, with ground truth
    Scene {
        /// The scene file (TOML)
        scene: PathBuf,
        /// Chance
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The folder to write to
        #[arg(long)]
        out: PathBuf,
    },
    /// Counts sliding feet, people in walls or in one another over a scene, and skin through clothes over pictures (JSON)
    Check {
        /// The scene file (TOML)
        scene: PathBuf,
        /// Chance
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Identities whose clothes are looked at, four pictures each
        #[arg(long, default_value_t = 50)]
        people: usize,
    },
    /// Crops of single people with captions
    Crops {
        /// How many identities
        #[arg(long)]
        ids: usize,
        /// Pictures of each identity, one a camera
        #[arg(long)]
        views: usize,
        /// Chance; 9000 and above are for testing, never for training
        #[arg(long)]
        seed: u64,
        /// 0 easy to 1 very hard
        #[arg(long, default_value_t = 0.5, value_parser = dial)]
        difficulty: f32,
        /// Share of children
        #[arg(long, default_value_t = 0.08, value_parser = dial)]
        children: f32,
        /// Also write part maps (PNG; grey level = part number + 1)
        #[arg(long)]
        parts: bool,
        /// The folder to write to
        #[arg(long)]
        out: PathBuf,
    },
}

fn dial(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|v| (0.0..=1.0).contains(v))
        .ok_or_else(|| format!("`{text}`: expected a number from 0 to 1"))
}

fn main() -> std::process::ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let told = writeln!(std::io::stderr(), "error: {error:#}");
            std::process::ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

fn library() -> anyhow::Result<Library> {
    Ok(Library::load(&Files::from_environment()?)?)
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Sheet {
            seed,
            people,
            difficulty,
            children,
            out,
        } => {
            let crowd = Crowd {
                difficulty: Difficulty(difficulty),
                children,
                is_wet: false,
            };
            let sheet = sightline_world::sheet::people(&library()?, seed, people, crowd)?;
            write(&out, &sheet.png()?)
        }
        Command::Scene { scene, seed, out } => {
            let start = std::time::Instant::now();
            let parsed = Scene::read(&scene)?;
            let library = library()?;
            let stage = Stage::set(&library, parsed, seed)?;
            let folder = scene.parent().unwrap_or(Path::new("."));
            let made = film(&library, &stage, folder, &out)?;
            let beside = out.join("scene.toml");
            // A scene may be filmed into its own folder.
            if !beside.exists() || fs_err::canonicalize(&beside)? != fs_err::canonicalize(&scene)? {
                fs_err::copy(&scene, beside)?;
            }
            say(&format!(
                "{} cameras, {} frames, {} boxes, {:.1} MB of video in {:.0} s: {}",
                made.cameras,
                made.frames,
                made.boxes,
                made.video_bytes as f64 / 1e6,
                start.elapsed().as_secs_f64(),
                out.display()
            ))
        }
        Command::Check {
            scene,
            seed,
            people,
        } => {
            let parsed = Scene::read(&scene)?;
            let library = library()?;
            let crowd = Crowd {
                difficulty: Difficulty(0.0),
                children: 0.1,
                is_wet: false,
            };
            let skin = check::skin(&library, seed, people, crowd)?;
            let stage = Stage::set(&library, parsed, seed)?;
            let counts = check::scene(&library, &stage);
            say(&serde_json::to_string_pretty(
                &serde_json::json!({ "scene": counts, "skin": skin }),
            )?)
        }
        Command::Crops {
            ids,
            views,
            seed,
            difficulty,
            children,
            parts,
            out,
        } => {
            let crowd = Crowd {
                difficulty: Difficulty(difficulty),
                children,
                is_wet: false,
            };
            let order = Order {
                seed,
                identities: ids,
                views,
                crowd,
                with_parts: parts,
            };
            let library = library()?;
            let start = std::time::Instant::now();
            let entries = crops::make(&library, order, &out)?;
            let took = start.elapsed().as_secs_f64();
            say(&format!(
                "{} crops in {took:.1} s, {:.0} a second: {}",
                entries.len(),
                entries.len() as f64 / took,
                out.display()
            ))
        }
    }
}

fn say(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{line}") {
        // Whoever read our output has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(path, bytes)?)
}
