//! What is known of a site: where its cameras stand, what of the ground they see, and who neighbours whom.
//!
//! All of it is optional. Without a map any way from camera to camera is thought possible, and what the
//! tracks themselves show is learned; with one, the ways that are not there are not searched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::zones::Zone;
use crate::{Error, Result};

/// A point on the ground, metres.
pub type Ground = [f64; 2];

/// A projective map from fractions of the picture to metres on the ground, row by row.
pub type Homography = [[f64; 3]; 3];

/// The map of a site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiteMap {
    /// Cameras by id.
    pub cameras: BTreeMap<String, CameraPlace>,
    /// Ways between cameras. Once any is given, cameras without a way between them are not neighbours.
    pub ways: Vec<Way>,
}

/// Where a camera stands and what it sees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CameraPlace {
    /// Where it stands, metres.
    pub position: Option<Ground>,
    /// From the foot of a box, as fractions of the picture, to metres on the ground.
    pub homography: Option<Homography>,
    /// Where people come in and go out, by name.
    pub zones: BTreeMap<String, Zone>,
}

/// A way from one camera's view to another's, both ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// The two cameras.
    pub between: [String; 2],
    /// Whether a person can be seen by both at once.
    pub overlaps: bool,
    /// Least and most seconds that walking from one view to the other takes, usually.
    pub seconds: Option<[f64; 2]>,
    /// The zone of each camera that leads to the other one.
    #[serde(default)]
    pub zones: Option<[String; 2]>,
}

/// What a map says of two cameras.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Relation {
    /// They are one camera.
    Same,
    /// Nothing is known of them.
    Unknown,
    /// A way is known.
    Neighbours {
        overlaps: bool,
        seconds: Option<[f64; 2]>,
    },
    /// There are ways, and none between these two; others may lie between them.
    Apart,
}

impl SiteMap {
    /// Refuses a map that makes no sense.
    ///
    /// # Errors
    ///
    /// [`Error::Options`], naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let refused = |what: String| Err(Error::Options { name: "map", what });
        for (id, camera) in &self.cameras {
            let position = camera.position.iter().flatten();
            let homography = camera.homography.iter().flatten().flatten();
            if !position.chain(homography).all(|value| value.is_finite()) {
                return refused(format!("camera `{id}` has a number that is not finite"));
            }
            if let Some(h) = &camera.homography
                && determinant(h).abs() < 1e-12
            {
                return refused(format!(
                    "the homography of camera `{id}` maps the picture onto a line, expected an area"
                ));
            }
        }
        for (id, camera) in &self.cameras {
            for (name, zone) in &camera.zones {
                let corners = zone.corners();
                if corners.len() < 3 {
                    return refused(format!(
                        "zone `{name}` of camera `{id}` has {} corners, expected 3 or more",
                        corners.len()
                    ));
                }
                let mut shares = corners.iter().flatten();
                if !shares.all(|share| (0.0..=1.0).contains(share)) {
                    return refused(format!(
                        "zone `{name}` of camera `{id}` has a corner outside the picture, expected shares of its width and height from 0 to 1"
                    ));
                }
            }
        }
        for way in &self.ways {
            let [a, b] = &way.between;
            for (camera, zone) in way.between.iter().zip(way.zones.iter().flatten()) {
                let is_there = self
                    .cameras
                    .get(camera)
                    .is_some_and(|place| place.zones.contains_key(zone));
                if !is_there {
                    return refused(format!(
                        "the way between `{a}` and `{b}` goes by zone `{zone}` of camera `{camera}`, which has no such zone"
                    ));
                }
            }
            if a == b {
                return refused(format!("a way leads from camera `{a}` to itself"));
            }
            if let Some([least, most]) = way.seconds
                && !(least >= 0.0 && least <= most && most.is_finite())
            {
                return refused(format!(
                    "the way between `{a}` and `{b}` takes {least} to {most} seconds, expected 0 or more, the first not above the second"
                ));
            }
        }
        Ok(())
    }

    /// What is known of two cameras.
    pub(crate) fn relation(&self, a: &str, b: &str) -> Relation {
        if a == b {
            return Relation::Same;
        }
        if self.ways.is_empty() {
            return Relation::Unknown;
        }
        self.ways
            .iter()
            .find(|way| {
                let [x, y] = &way.between;
                (x == a && y == b) || (x == b && y == a)
            })
            .map_or(Relation::Apart, |way| Relation::Neighbours {
                overlaps: way.overlaps,
                seconds: way.seconds,
            })
    }

    /// The zones by which the way from one camera to another goes out of the one's picture and comes into the other's.
    pub(crate) fn zones_between(&self, left: &str, entered: &str) -> [Option<&Zone>; 2] {
        let ways = self.ways.iter();
        let named = ways.filter_map(|way| Some((&way.between, way.zones.as_ref()?)));
        let of = |camera: &str, zone: &str| self.cameras.get(camera)?.zones.get(zone);
        for ([a, b], [of_a, of_b]) in named {
            if a == left && b == entered {
                return [of(a, of_a), of(b, of_b)];
            }
            if a == entered && b == left {
                return [of(b, of_b), of(a, of_a)];
            }
        }
        [None; 2]
    }

    /// Where on the ground somebody stands whose box this is; none where the camera is not calibrated or
    /// the foot lies at or above its horizon.
    pub fn ground(&self, camera: &str, bbox: [f32; 4]) -> Option<Ground> {
        let h = self.cameras.get(camera)?.homography.as_ref()?;
        let x = f64::from(bbox[0] + bbox[2]) / 2.0;
        let y = f64::from(bbox[3]);
        let [u, v, w] = h.map(|row| row[0] * x + row[1] * y + row[2]);
        // The picture's lower edge is certainly ground: its sign tells which side of the horizon is.
        let [_, _, below] = h.map(|row| row[0] * 0.5 + row[1] + row[2]);
        (w * below > 1e-9).then(|| [u / w, v / w])
    }
}

fn determinant(h: &Homography) -> f64 {
    let [a, b, c] = *h;
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feet_above_the_horizon_stand_nowhere() {
        // Horizon at y = 0.25, the ground comes nearer below it.
        let place = CameraPlace {
            homography: Some([[1.0, 0.0, -0.5], [0.0, 0.0, 1.0], [0.0, 1.0, -0.25]]),
            ..CameraPlace::default()
        };
        let map = SiteMap {
            cameras: [("a".to_owned(), place)].into(),
            ways: Vec::new(),
        };
        assert!(map.check().is_ok());
        assert_eq!(map.ground("a", [0.5, 0.2, 1.5, 0.75]), Some([1.0, 2.0]));
        assert_eq!(map.ground("a", [0.5, 0.1, 0.6, 0.2]), None);
        assert_eq!(map.ground("b", [0.5, 0.1, 0.6, 0.9]), None);
    }

    #[test]
    fn a_map_that_makes_no_sense_is_refused_with_the_place() {
        let mut map = SiteMap::default();
        map.ways.push(Way {
            between: ["a".into(), "a".into()],
            overlaps: false,
            seconds: None,
            zones: None,
        });
        assert!(
            map.check()
                .unwrap_err()
                .to_string()
                .contains("`a` to itself")
        );
        map.ways[0].between[1] = "b".into();
        map.ways[0].seconds = Some([5.0, 1.0]);
        assert!(map.check().unwrap_err().to_string().contains("5 to 1"));
        map.ways[0].seconds = None;
        let flat = CameraPlace {
            homography: Some([[1.0; 3]; 3]),
            ..CameraPlace::default()
        };
        map.cameras.insert("a".into(), flat);
        assert!(map.check().unwrap_err().to_string().contains("onto a line"));
        let mut refused = |corners: Vec<[f64; 2]>| {
            let place = CameraPlace {
                zones: [("door".to_owned(), corners.into())].into(),
                ..CameraPlace::default()
            };
            map.cameras.insert("a".into(), place);
            map.ways[0].zones = Some(["door".into(), "gate".into()]);
            map.check().unwrap_err().to_string()
        };
        assert!(refused(vec![[0.0, 0.0], [1.0, 1.0]]).contains("has 2 corners"));
        assert!(refused(vec![[0.0, 0.0], [1.1, 0.0], [0.0, 1.0]]).contains("outside the picture"));
        let why = refused(vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
        assert!(why.contains("zone `gate` of camera `b`"), "{why}");
    }

    #[test]
    fn ways_hold_in_both_directions_and_exclude_what_they_do_not_name() {
        let mut map = SiteMap::default();
        assert_eq!(map.relation("a", "b"), Relation::Unknown);
        map.ways.push(Way {
            between: ["a".into(), "b".into()],
            overlaps: true,
            seconds: None,
            zones: None,
        });
        let known = Relation::Neighbours {
            overlaps: true,
            seconds: None,
        };
        assert_eq!(map.relation("b", "a"), known);
        assert_eq!(map.relation("a", "c"), Relation::Apart);
        assert_eq!(map.relation("c", "c"), Relation::Same);
    }
}
