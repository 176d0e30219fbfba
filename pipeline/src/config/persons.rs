//! `[persons]` and `[map]`: how tracks become persons, and what is known of the site. Both are optional.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::at_least_one;
use super::values::Name;

/// `[persons]`: tracks of all cameras to persons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PersonsConfig {
    /// Join tracks into persons.
    pub enabled: bool,
    /// Seconds by which a sighting may come later than others of its time; decisions wait for it.
    #[schemars(range(min = 0.0, max = 600.0))]
    pub lateness_seconds: f64,
    /// Minutes after which a track that ended is not joined to any more.
    #[schemars(range(min = 1, max = 10_080))]
    pub window_minutes: NonZeroU32,
    /// Most tracks that are compared; beyond it the oldest are let go of sooner.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub max_tracks: NonZeroU32,
}

impl Default for PersonsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            lateness_seconds: 10.0,
            window_minutes: at_least_one(120),
            max_tracks: at_least_one(20_000),
        }
    }
}

/// `[map]`: where the cameras stand and who neighbours whom. Nothing of it is needed; each part helps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MapConfig {
    /// Ways on which people walk between two cameras. Once one is given, cameras without a way are not neighbours.
    pub ways: Vec<MapWay>,
    /// One table a camera, `[map.cameras.<id>]`.
    pub cameras: BTreeMap<String, MapCamera>,
}

/// `[[map.ways]]`: a way between two cameras, in both directions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapWay {
    /// The two cameras.
    pub between: [Name; 2],
    /// Whether both can see a person at once. Default: false.
    #[serde(default)]
    pub overlaps: bool,
    /// Least and most seconds that walking from one view to the other usually takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<[f64; 2]>,
    /// The zone of each of the two cameras that leads to the other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zones: Option<[String; 2]>,
}

/// `[map.cameras.<id>]`: where one camera stands and what of the ground it sees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MapCamera {
    /// Where it stands, metres on the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<[f64; 2]>,
    /// Three rows of three numbers: from where the feet are, as shares of the picture's width and height, to metres on the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homography: Option<[[f64; 3]; 3]>,
    /// Where people come in and go out: polygons by name, their corners as shares of the picture's width and height.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Vec<[f64; 2]>>")]
    pub zones: BTreeMap<String, sightline_sink::persons::Zone>,
}

impl MapConfig {
    /// The map as association takes it.
    #[must_use]
    pub fn to_site_map(&self) -> sightline_sink::SiteMap {
        use sightline_sink::persons::{CameraPlace, Way};
        sightline_sink::SiteMap {
            cameras: self
                .cameras
                .iter()
                .map(|(id, camera)| {
                    let place = CameraPlace {
                        position: camera.position,
                        homography: camera.homography,
                        zones: camera.zones.clone(),
                    };
                    (id.clone(), place)
                })
                .collect(),
            ways: self
                .ways
                .iter()
                .map(|way| Way {
                    between: way.between.clone().map(|id| id.as_str().to_owned()),
                    overlaps: way.overlaps,
                    seconds: way.seconds,
                    zones: way.zones.clone(),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, Purpose};

    #[test]
    fn a_map_is_read_with_its_cameras_and_ways_and_one_without_sense_is_refused() {
        let read = |text: &str| {
            let text = format!("[store]\nfolder = \"s\"\n{text}");
            Config::parse(&text, Path::new("edge.toml"), Purpose::Offline, &|_| None)
        };
        let config = read(
            "[[map.ways]]\nbetween = [\"gate\", \"yard\"]\noverlaps = true\nseconds = [5, 20.5]\n[map.cameras.gate]\nposition = [12.0, 21.5]\nhomography = [[8.1, -0.4, 3.0], [0.2, 9.7, 1.0], [0.0, 0.3, 1.0]]\n",
        )
        .unwrap();
        let map = config.map.to_site_map();
        assert_eq!(map.ways[0].seconds, Some([5.0, 20.5]));
        assert_eq!(map.cameras["gate"].position, Some([12.0, 21.5]));
        assert!(map.cameras["gate"].homography.is_some());
        let zones = "[[map.ways]]\nbetween = [\"gate\", \"yard\"]\nzones = [\"door\", \"arch\"]\n[map.cameras.yard.zones]\narch = [[0, 0], [1, 0], [1, 0.4]]\n";
        let faults = read(zones).unwrap_err().to_string();
        assert!(faults.contains("zone `door` of camera `gate`"), "{faults}");
        let zones =
            format!("{zones}[map.cameras.gate.zones]\ndoor = [[0.8, 0.5], [1, 0.5], [1, 1]]\n");
        let map = read(&zones).unwrap().map.to_site_map();
        assert_eq!(map.cameras["gate"].zones["door"].corners().len(), 3);
        let faults = read("[[map.ways]]\nbetween = [\"gate\", \"gate\"]\n").unwrap_err();
        assert!(faults.to_string().contains("`gate` to itself"), "{faults}");
        assert!(read("[map.cameras.gate]\nhomography = [[1, 2], [3, 4]]\n").is_err());
    }
}
