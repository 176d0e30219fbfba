//! `sightline man`

use std::io::Write;

use clap::CommandFactory;

use crate::cli::{Cli, stdout};

/// Prints the manual page: the program's, followed by one section a command.
///
/// # Errors
/// Those of stdout.
pub fn run() -> anyhow::Result<()> {
    let mut out = stdout();
    out.write_all(&page()?)?;
    Ok(out.finish()?)
}

/// The page in roff.
fn page() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let whole = clap_mangen::Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    write_commands(&command, &mut page)?;
    whole.render_extra_section(&mut page)?;
    whole.render_version_section(&mut page)?;
    Ok(page)
}

/// Every command without commands of its own, with its help as a section.
fn write_commands(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for inner in command.get_subcommands() {
        if inner.has_subcommands() {
            write_commands(inner, page)?;
            continue;
        }
        let name = inner.get_bin_name().unwrap_or(inner.get_name()).to_owned();
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let man = clap_mangen::Man::new(inner.clone());
        for part in [
            clap_mangen::Man::render_synopsis_section,
            clap_mangen::Man::render_description_section,
            clap_mangen::Man::render_options_section,
        ] {
            let mut section: Vec<u8> = Vec::new();
            part(&man, &mut section)?;
            // Within a command's section its parts are subsections.
            page.extend(
                String::from_utf8_lossy(&section)
                    .replace(".SH ", ".SS ")
                    .into_bytes(),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_has_a_section_for_every_command() {
        let page = String::from_utf8(super::page().unwrap()).unwrap();
        for command in ["REPLAY", "SEARCH", "MODELS WARM", "CAMERAS PROBE", "CHECK"] {
            assert!(
                page.contains(&format!(".SH \"SIGHTLINE {command}\"")),
                "{command}"
            );
        }
        assert!(page.contains("78 for a bad configuration"));
    }
}
