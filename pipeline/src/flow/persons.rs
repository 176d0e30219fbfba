//! How this configuration joins tracks into persons.

use std::path::Path;

use anyhow::Result;
use sightline_sink::AssociationOptions;
use sightline_sink::persons::Calibration;

use super::engines::model_folder;
use crate::config::Config;
use crate::models::card::{CARD_FILE, WholeCard};

/// Options of association; none where it is off.
///
/// # Errors
/// When the map makes no sense, or the model's card cannot be read.
pub fn association(config: &Config) -> Result<Option<AssociationOptions>> {
    if !config.persons.enabled {
        return Ok(None);
    }
    let map = config.map.to_site_map();
    map.check()?;
    let card = model_folder(config, config.models.appearance.as_str())?.join(CARD_FILE);
    let seconds = config.persons.lateness_seconds;
    Ok(Some(AssociationOptions {
        map,
        calibration: calibration(&card)?,
        lateness_ns: (seconds * 1e9) as i64,
        window_ns: i64::from(config.persons.window_minutes.get()) * 60_000_000_000,
        most_tracks: config.persons.max_tracks.get() as usize,
    }))
}

/// The curve of a model's card; a cautious one, marked as not fitted, where the card has none.
fn calibration(card: &Path) -> Result<Calibration> {
    let curve = WholeCard::read(card)?.association;
    Ok(
        curve.map_or_else(Calibration::default, |curve| Calibration {
            slope: curve.slope,
            even: curve.even,
            is_fitted: true,
        }),
    )
}
