//! Crops with identities and captions: `NNNN_cC_...jpg` as Market-1501 names them, one list as CUHK-PEDES writes it.

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::body::Library;
use crate::captions::{Clause, describe};
use crate::dice::Dice;
use crate::error::Result;
use crate::identity::{Crowd, Group, HairWords, Identity};
use crate::light::Weather;
use crate::photo::png;
use crate::shot::{Cast, Crop, HEIGHT, Studio, WIDTH, passers};

/// What to make.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Chance; seeds of 9000 and above are for testing alone.
    pub seed: u64,
    /// Identities.
    pub identities: usize,
    /// Pictures of each, one a camera.
    pub views: usize,
    /// Crowd.
    pub crowd: Crowd,
    /// Whether to write part maps (PNG, grey = part number) beside the crops.
    pub with_parts: bool,
}

/// One entry of the list.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Identity, from 1.
    pub id: usize,
    /// Relative to the list's folder.
    pub file_path: String,
    /// 2 to 4 sentences.
    pub captions: Vec<String>,
    /// `train`, `val`, `test`.
    pub split: &'static str,
    /// Camera, from 1.
    pub camera: usize,
    /// Clause by clause, hidden things too.
    pub clauses: Vec<Clause>,
    /// What is not there.
    pub absent: Vec<String>,
    /// Who.
    pub group: Group,
    /// Past sixty.
    pub is_old: bool,
    /// Hair.
    pub hair: HairWords,
    /// `walk`, `stand`, `run`, `sit`.
    pub action: &'static str,
    /// `front`, `side`, `back`.
    pub view: &'static str,
    /// Light.
    pub weather: Weather,
    /// Share of the silhouette that is seen, within the crop.
    pub visibility: f32,
    /// Height of the person in the camera's own pixels.
    pub height_px: f32,
    /// Whose clothes these are copied from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alike: Option<usize>,
}

/// Makes all crops under `out` and returns the list's entries.
///
/// # Errors
/// A mesh is missing, or files cannot be written.
pub fn make(library: &Library, order: Order, out: &Path) -> Result<Vec<Entry>> {
    let images = out.join("images");
    fs_err::create_dir_all(&images)?;
    let others = passers(library, order.seed, order.crowd, 10)?;
    let all: Result<Vec<Vec<Entry>>> = (1..=order.identities)
        .into_par_iter()
        .map_init(Studio::default, |studio, number| {
            let cast = Cast::build(library, Identity::draw(order.seed, number, order.crowd))?;
            (0..order.views)
                .map(|view| {
                    let crop = studio.shoot(
                        library,
                        order.seed,
                        &cast,
                        view,
                        order.crowd.difficulty,
                        &others,
                    )?;
                    let name = format!("{number:04}_c{}_{view:06}_00.jpg", view + 1);
                    fs_err::write(images.join(&name), &crop.jpeg)?;
                    if order.with_parts {
                        fs_err::write(
                            images.join(name.replace(".jpg", "_parts.png")),
                            parts(&crop)?,
                        )?;
                    }
                    Ok(entry(order, &cast, &crop, view, &name))
                })
                .collect()
        })
        .collect();
    let entries: Vec<Entry> = all?.into_iter().flatten().collect();
    let list = serde_json::to_vec_pretty(&entries).map_err(std::io::Error::other)?;
    fs_err::write(out.join("captions.json"), list)?;
    Ok(entries)
}

fn parts(crop: &Crop) -> Result<Vec<u8>> {
    let rgb: Vec<u8> = crop.parts.iter().flat_map(|p| [*p; 3]).collect();
    png(&rgb, WIDTH, HEIGHT)
}

fn entry(order: Order, cast: &Cast, crop: &Crop, view: usize, name: &str) -> Entry {
    let who = &cast.identity;
    let mut dice = Dice::new(&[order.seed, 0x7e47, who.number as u64, view as u64]);
    let told = describe(who, &crop.evidence, &mut dice);
    // Whole identities go into one split; twins go with the one whose clothes they wear.
    let split = match (order.seed >= 9000, who.alike.unwrap_or(who.number) % 20) {
        (true, _) | (false, 18 | 19) => "test",
        (false, 16 | 17) => "val",
        _ => "train",
    };
    Entry {
        id: who.number,
        file_path: format!("images/{name}"),
        captions: told.captions,
        split,
        camera: view + 1,
        clauses: told.clauses,
        absent: told.absent,
        group: who.group,
        is_old: who.is_old,
        hair: who.hair,
        action: crop.evidence.action,
        view: crop.evidence.view,
        weather: crop.weather,
        visibility: crop.appearance.visibility(),
        height_px: crop.evidence.height_px,
        alike: who.alike,
    }
}
