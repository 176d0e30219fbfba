//! Why an answer is empty.

use super::moment::Moment;
use super::query::Query;
use crate::Result;
use crate::coverage::CameraCoverage;
use crate::store::engine::Where;

/// Most cameras that are named in a sentence.
const MOST_NAMED: usize = 8;

/// Says why nothing was found: the most basic reason that holds.
pub(super) fn empty(
    store: &Moment<'_>,
    query: &Query,
    coverage: &[CameraCoverage],
    searched: u64,
) -> Result<String> {
    let filter = &query.filter;
    let known = store.book().cameras();
    let total = store.tracklets().count(&Where::default())?;
    if total == 0 && known.is_empty() {
        return Ok("nothing is indexed yet".to_owned());
    }
    for camera in &filter.cameras {
        let by_camera = super::Filter {
            cameras: vec![camera.clone()],
            ..Default::default()
        };
        if !known.contains(camera) && store.tracklets().count(&by_camera.for_tracklets())? == 0 {
            let names: Vec<_> = known
                .iter()
                .take(MOST_NAMED)
                .map(|name| format!("`{name}`"))
                .collect();
            let rest = if known.len() > MOST_NAMED {
                " and others"
            } else {
                ""
            };
            if names.is_empty() {
                return Ok(format!("no camera `{camera}` is known"));
            }
            let names = names.join(", ");
            return Ok(format!(
                "no camera `{camera}` is known; known are {names}{rest}"
            ));
        }
    }
    if searched > 0 {
        // Something passes the filter, and yet there is no hit: only the asking track itself.
        return Ok("no other track passes the filter".to_owned());
    }
    let in_time = store
        .tracklets()
        .count(&filter.place_and_time().for_tracklets())?;
    if in_time > 0 {
        return Ok(format!(
            "{in_time} tracks at that place and time, none passes the filter of duration and size"
        ));
    }
    if !coverage.is_empty() && coverage.iter().all(|camera| camera.watched.is_empty()) {
        let names: Vec<_> = coverage
            .iter()
            .take(MOST_NAMED)
            .map(|camera| format!("`{}`", camera.camera))
            .collect();
        return Ok(format!("not watched at that time: {}", names.join(", ")));
    }
    let is_partly_blind = coverage.iter().any(|camera| !camera.blind.is_empty());
    Ok(match (coverage.is_empty(), is_partly_blind) {
        (true, _) => "no track at that place and time; what was watched is not known",
        (false, true) => "nobody was seen while it was watched, and it was not watched throughout",
        (false, false) => "watched throughout, and nobody was seen",
    }
    .to_owned())
}
