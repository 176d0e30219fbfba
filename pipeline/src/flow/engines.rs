//! The models of a configuration, loaded and checked.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ort::environment::Environment;
use sightline_detector::{Detector, GateOptions, Tiling};

use super::follow::FollowerParts;
use super::{Embedders, StageTimes};
use crate::config::{Config, Fraction, View};
use crate::ingest::{FrameRate, Polygon, RecordingSpec, Region};
use crate::models::card::{CARD_FILE, WholeCard};
use crate::models::warm::engine_folder;
use crate::models::{ModelFolders, detector_providers};
use crate::select::SelectorConfig;
use crate::track::{CameraMotionConfig, TrackerConfig};

/// Loads the detector that the configuration names.
///
/// # Errors
/// One line: no such model, another file than its card's, a provider that is missing.
pub fn load_detector(environment: &Environment, config: &Config) -> Result<Detector> {
    let detect = &config.detect;
    let tiling = &detect.tiling;
    let (columns, rows) = (tiling.columns.get(), tiling.rows.get());
    let folder = model_folder(config, config.models.detector.as_str())?;
    let options = sightline_detector::Options {
        providers: detector_providers(&config.models.providers),
        intra_threads: session_threads(config),
        score_threshold: detect.score_threshold.map(Fraction::get),
        nms_iou: detect.nms_iou.map(Fraction::get),
        max_batch: NonZeroUsize::try_from(detect.max_batch).unwrap_or(NonZeroUsize::MIN),
        tiling: (columns * rows > 1).then(|| Tiling {
            columns,
            rows,
            overlap: tiling.overlap.get(),
        }),
        engine_cache: engine_cache(config, &folder)?,
    };
    Ok(Detector::load(environment, &folder, &options)?)
}

/// What followers of the cameras of this configuration are made of.
pub fn follower_parts(
    config: &Config,
    embedders: Embedders,
    times: std::sync::Arc<StageTimes>,
    keep_frames: bool,
) -> FollowerParts {
    let select = &config.select;
    FollowerParts {
        site: config.site.as_str().into(),
        tracker: TrackerConfig::from(&config.track),
        camera_motion: CameraMotionConfig {
            is_enabled: config.track.use_camera_motion,
            ..CameraMotionConfig::default()
        },
        selector: SelectorConfig {
            per_track_per_second: select.per_track_per_second,
            most_kept: select.max_kept.get() as usize,
            least_height_px: select.min_height_px as f32,
            least_quality: select.min_quality.get(),
            better_by: select.better_by.get(),
            new_view_below: select.new_view_below.get(),
            ..SelectorConfig::default()
        },
        embedders,
        times,
        keep_frames,
        tells_coverage: true,
    }
}

/// Settings of the motion gate; none where it is off.
pub fn gate_options(config: &Config) -> Option<GateOptions> {
    let gate = &config.detect.motion_gate;
    gate.enabled.then(|| GateOptions {
        longest_skip_ns: i64::from(gate.look_anyway_ms.0) * 1_000_000,
        ..GateOptions::default()
    })
}

/// A recording with what the configuration says of its camera.
///
/// # Errors
/// When a region or a mask of the configuration is no polygon.
pub fn recording_spec(
    config: &Config,
    recording: &crate::config::Recording,
) -> Result<RecordingSpec> {
    let id = recording.id.as_str();
    let view = config.view_of(id);
    let mut spec = RecordingSpec::new(id, &recording.file, recording.start.capture_ns());
    spec.fps_override = recording.fps.map(FrameRate::try_new).transpose()?;
    spec.fps_cap = view
        .fps_cap
        .map(|fps| FrameRate::try_new(f64::from(fps)))
        .transpose()?;
    (spec.region, spec.masks) = areas(&view).with_context(|| format!("camera `{id}`"))?;
    Ok(spec)
}

/// The region and the masks of a view.
///
/// # Errors
/// When one of them is no polygon.
pub fn areas(view: &View) -> Result<(Option<Region>, Vec<Polygon>)> {
    let polygon = |corners: &crate::config::Polygon| {
        Polygon::try_new(corners.iter().map(|[x, y]| (*x, *y)).collect())
    };
    let region = view.region.as_ref().map(polygon).transpose()?;
    let masks = view.masks.iter().map(polygon).collect::<Result<_, _>>()?;
    Ok((region.map(|polygon| Region::new(vec![polygon])), masks))
}

/// The folder of a model: installed, or shipped with the program.
pub(super) fn model_folder(config: &Config, name: &str) -> Result<PathBuf> {
    let folders = ModelFolders::for_installed(config.models.folder.clone());
    folders.find(name).with_context(|| {
        format!(
            "model `{name}` is not in {}; run `sightline models fetch {name}`",
            config.models.folder.display()
        )
    })
}

/// Where the engines of the model in `folder` are kept: an engine is of use with one model file, driver and GPU only.
pub(super) fn engine_cache(config: &Config, folder: &Path) -> Result<Option<PathBuf>> {
    let Some(root) = &config.models.engine_cache else {
        return Ok(None);
    };
    let card = WholeCard::read(&folder.join(CARD_FILE))?;
    Ok(Some(engine_folder(root, &card.sha256)?))
}

/// Threads of one model session on the CPU: those of the configuration, or one a core.
pub fn session_threads(config: &Config) -> NonZeroUsize {
    NonZeroUsize::new(config.models.intra_threads as usize)
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}
