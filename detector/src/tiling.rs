//! Overlapping tiles for people too small in the whole picture, and one list out of all of them.

use crate::bbox::{BBox, Detection};
use crate::error::Error;
use crate::letterbox::Region;
use crate::nms::MAX_CANDIDATES;

/// How a picture is cut; the whole picture is always looked at too.
///
/// One run of the network for the whole and one for each tile: 2 x 2 costs five runs a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tiling {
    /// Tiles side by side, 1 to 16.
    pub columns: u32,
    /// Tiles one above the other, 1 to 16.
    pub rows: u32,
    /// Share of a tile's side that it has in common with its neighbour, 0 to 0.5.
    ///
    /// People larger than the overlap are cut in every tile and come from the whole picture.
    pub overlap: f32,
}

/// A part of a picture and which of its edges cut through it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tile {
    pub(crate) region: Region,
    cuts_left: bool,
    cuts_top: bool,
    cuts_right: bool,
    cuts_bottom: bool,
}

/// A detection of one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TileDetection {
    detection: Detection,
    /// Whether the box ends at an edge that cuts the picture: probably a part of somebody.
    is_cut: bool,
}

/// A box this close to a cutting edge ends there, as a share of the tile's side.
const EDGE_SHARE: f32 = 0.01;

/// A cut box is a part of a whole one when this share of it lies inside.
const PART_SHARE: f32 = 0.6;

impl Tiling {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |key, found: String, expected| {
            Err(Error::BadOption {
                key,
                found,
                expected,
            })
        };
        match self {
            Self { columns, .. } if !(1..=16).contains(columns) => {
                wrong("tiling.columns", columns.to_string(), "1 to 16")
            }
            Self { rows, .. } if !(1..=16).contains(rows) => {
                wrong("tiling.rows", rows.to_string(), "1 to 16")
            }
            Self { overlap, .. } if !(0.0..=0.5).contains(overlap) => {
                wrong("tiling.overlap", overlap.to_string(), "0 to 0.5")
            }
            _ => Ok(()),
        }
    }

    /// The tiles of a picture, row by row; a picture smaller than its tiling has fewer.
    pub(crate) fn tiles(&self, width: u32, height: u32) -> impl Iterator<Item = Tile> + use<> {
        let (columns, rows) = (self.columns.min(width), self.rows.min(height));
        let overlap = self.overlap;
        (0..rows).flat_map(move |row| {
            let (y, tile_height) = span(height, rows, overlap, row);
            (0..columns).map(move |column| {
                let (x, tile_width) = span(width, columns, overlap, column);
                Tile {
                    region: Region {
                        x,
                        y,
                        width: tile_width,
                        height: tile_height,
                    },
                    cuts_left: x > 0,
                    cuts_top: y > 0,
                    cuts_right: x + tile_width < width,
                    cuts_bottom: y + tile_height < height,
                }
            })
        })
    }
}

/// Start and length of part `index` of `count` overlapping equal parts of a side.
fn span(side: u32, count: u32, overlap: f32, index: u32) -> (u32, u32) {
    let (count_f, overlap) = (f64::from(count), f64::from(overlap));
    let length = f64::from(side) / (count_f - (count_f - 1.0) * overlap);
    let length = (length.ceil() as u32).clamp(1, side);
    if count == 1 {
        return (0, side);
    }
    let start = u64::from(side - length) * u64::from(index) / u64::from(count - 1);
    (start as u32, length)
}

impl Tile {
    /// The whole picture as a tile that cuts nothing.
    pub(crate) fn whole(width: u32, height: u32) -> Self {
        Self {
            region: Region::whole(width, height),
            cuts_left: false,
            cuts_top: false,
            cuts_right: false,
            cuts_bottom: false,
        }
    }

    /// Marks a detection of this tile that ends where the tile cuts the picture.
    pub(crate) fn judge(&self, detection: Detection) -> TileDetection {
        let region = self.region;
        let (near_x, near_y) = (
            (region.width as f32 * EDGE_SHARE).max(1.0),
            (region.height as f32 * EDGE_SHARE).max(1.0),
        );
        let BBox { x0, y0, x1, y1 } = detection.bbox;
        let is_cut = (self.cuts_left && x0 <= region.x as f32 + near_x)
            || (self.cuts_top && y0 <= region.y as f32 + near_y)
            || (self.cuts_right && x1 >= (region.x + region.width) as f32 - near_x)
            || (self.cuts_bottom && y1 >= (region.y + region.height) as f32 - near_y);
        TileDetection { detection, is_cut }
    }
}

/// Merges the detections of all tiles of one picture into `found`, best score first.
///
/// Whole boxes are settled first, by score: a cut box often scores higher than the same person seen
/// whole. A cut box then stays only where it overlaps no kept box by more than `iou` and does not lie
/// mostly inside one. Whole boxes inside one another both stay: one person stands before another.
pub(crate) fn merge(tiled: &mut Vec<TileDetection>, iou: f32, found: &mut Vec<Detection>) {
    tiled.sort_unstable_by(|a, b| {
        a.is_cut
            .cmp(&b.is_cut)
            .then(crate::nms::by_score(&a.detection, &b.detection))
    });
    tiled.truncate(MAX_CANDIDATES);
    found.clear();
    for TileDetection { detection, is_cut } in &*tiled {
        let is_known = found.iter().any(|kept| {
            kept.bbox.iou(&detection.bbox) > iou
                || (*is_cut && detection.bbox.intersection_over_self(&kept.bbox) > PART_SHARE)
        });
        if !is_known {
            found.push(*detection);
        }
    }
    found.sort_unstable_by(crate::nms::by_score);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_BY_TWO: Tiling = Tiling {
        columns: 2,
        rows: 2,
        overlap: 0.25,
    };

    fn seen(tile: &Tile, bbox: BBox, score: f32) -> TileDetection {
        tile.judge(Detection { bbox, score })
    }

    #[test]
    fn half_a_person_at_a_border_gives_way_to_the_whole_one() {
        let tiles: Vec<_> = TWO_BY_TWO.tiles(1000, 800).collect();
        let right_edge = (tiles[0].region.x + tiles[0].region.width) as f32;
        let half = seen(
            &tiles[0],
            BBox::new(right_edge - 20.0, 100.0, right_edge, 200.0),
            0.95,
        );
        let whole = seen(
            &tiles[1],
            BBox::new(right_edge - 20.0, 100.0, right_edge + 30.0, 200.0),
            0.7,
        );
        assert!(half.is_cut && !whole.is_cut);
        let mut found = Vec::new();
        merge(&mut vec![half, whole], 0.45, &mut found);
        assert_eq!(found, [whole.detection]);
    }

    #[test]
    fn a_small_person_before_a_large_one_stays() {
        let frame = Tile::whole(1000, 800);
        let near = seen(&frame, BBox::new(100.0, 100.0, 300.0, 700.0), 0.9);
        let far = seen(&frame, BBox::new(150.0, 300.0, 200.0, 420.0), 0.7);
        let mut found = Vec::new();
        merge(&mut vec![far, near], 0.45, &mut found);
        assert_eq!(found, [near.detection, far.detection]);
    }

    #[test]
    fn the_edge_of_the_picture_is_no_cut() {
        let first = TWO_BY_TWO.tiles(1000, 800).next().unwrap();
        assert!(!seen(&first, BBox::new(0.0, 0.0, 20.0, 50.0), 0.9).is_cut);
    }

    #[test]
    fn tilings_out_of_range_are_refused() {
        for tiling in [
            Tiling {
                columns: 0,
                ..TWO_BY_TWO
            },
            Tiling {
                rows: 17,
                ..TWO_BY_TWO
            },
            Tiling {
                overlap: 0.6,
                ..TWO_BY_TWO
            },
            Tiling {
                overlap: f32::NAN,
                ..TWO_BY_TWO
            },
        ] {
            assert!(matches!(tiling.check(), Err(Error::BadOption { .. })));
        }
    }

    proptest! {
        #[test]
        fn tiles_cover_the_picture_and_stay_inside(
            width in 1u32..5000, height in 1u32..5000, columns in 1u32..=16, rows in 1u32..=16, overlap in 0.0f32..=0.5,
        ) {
            let tiling = Tiling { columns, rows, overlap };
            prop_assert!(tiling.check().is_ok());
            let tiles: Vec<_> = tiling.tiles(width, height).collect();
            prop_assert_eq!(tiles.len() as u32, columns.min(width) * rows.min(height));
            for axis in 0..2 {
                let side = [width, height][axis];
                let mut spans: Vec<_> = tiles.iter().map(|t| {
                    let r = t.region;
                    [(r.x, r.x + r.width), (r.y, r.y + r.height)][axis]
                }).collect();
                spans.sort_unstable();
                spans.dedup();
                prop_assert_eq!(spans[0].0, 0);
                prop_assert_eq!(spans[spans.len() - 1].1, side);
                prop_assert!(spans.windows(2).all(|w| w[1].0 <= w[0].1), "gap in {:?}", spans);
                prop_assert!(spans.iter().all(|s| s.0 < s.1 && s.1 <= side));
            }
        }
    }
}
