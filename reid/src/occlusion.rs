//! Why a picture is near a vector: what its nearness loses when a part of the picture is hidden.
//!
//! A patch of the picture's mean colour is put over every place of a grid, and each covered picture is embedded anew. That asks
//! nothing of the network but its vectors, so it holds for every model card, and it costs the same for one vector as for ten
//! (Zeiler and Fergus, ECCV 2014, section 4.2).

use ndarray::{Array2, Array3, Array4, ArrayRef2, Axis, s};

use crate::Error;
use crate::encoder::ImageEncoder;
use crate::planes::Crop;

/// Places of the grid.
pub const ROWS: usize = 16;
/// See [`ROWS`].
pub const COLUMNS: usize = 8;
/// Places on either side of the one in the middle that a patch covers as well.
const REACH: usize = 1;

/// What the places of a picture do for its nearness to one vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Occlusion {
    /// Cosine similarity of the whole picture.
    pub similarity: f32,
    /// [`ROWS`] x [`COLUMNS`]: how far the similarity falls when the place is covered, the mean over all patches that cover it.
    /// Below zero where it rises: what is there speaks against the vector.
    pub falls: Array2<f32>,
}

/// Covers a crop place by place and compares each with `vectors` (N x D, rows of length one): one result a row.
///
/// Embeds [`ROWS`] x [`COLUMNS`] + 1 pictures, in batches of the encoder's.
///
/// # Errors
/// [`Error::Mismatch`] if the vectors are not as long as the encoder's, else as [`ImageEncoder::embed`].
pub fn occlusion(
    encoder: &mut ImageEncoder,
    crop: &Crop<'_>,
    vectors: &ArrayRef2<f32>,
) -> Result<Vec<Occlusion>, Error> {
    if vectors.ncols() != encoder.dimension() {
        return Err(Error::Mismatch {
            model: encoder.card().name.clone(),
            what: "length of the vectors that a picture is explained by".into(),
            found: vectors.ncols().to_string(),
            expected: encoder.dimension().to_string(),
        });
    }
    encoder.preprocess(&[*crop])?;
    let whole = encoder.batch();
    let before = encoder.run()?;
    let picture = whole.index_axis(Axis(0), 0).to_owned();
    let places: Vec<(usize, usize)> = (0..ROWS)
        .flat_map(|row| (0..COLUMNS).map(move |column| (row, column)))
        .collect();
    // Falls of each patch: places x vectors.
    let mut of_patches = Array2::<f32>::zeros((places.len(), vectors.nrows()));
    let similar = before.dot(&vectors.t());
    for (part, chunk) in places.chunks(encoder.max_batch()).enumerate() {
        let rows = encoder.run_tensor(&covered(&picture, chunk).view())?;
        let first = part * encoder.max_batch();
        let falls = &similar - &rows.dot(&vectors.t());
        of_patches
            .slice_mut(s![first..first + chunk.len(), ..])
            .assign(&falls);
    }
    let results = (0..vectors.nrows()).map(|vector| Occlusion {
        similarity: similar[(0, vector)],
        falls: Array2::from_shape_fn((ROWS, COLUMNS), |(row, column)| {
            let mut sum = 0.0;
            let mut count = 0.0;
            for near_row in around(row, ROWS) {
                for near_column in around(column, COLUMNS) {
                    sum += of_patches[(near_row * COLUMNS + near_column, vector)];
                    count += 1.0;
                }
            }
            sum / count
        }),
    });
    Ok(results.collect())
}

/// A place and its neighbours, within the grid.
fn around(place: usize, count: usize) -> std::ops::Range<usize> {
    place.saturating_sub(REACH)..(place + REACH + 1).min(count)
}

/// Copies of a picture 3 x H x W, each with the patch around one place in the picture's mean colour.
fn covered(picture: &Array3<f32>, places: &[(usize, usize)]) -> Array4<f32> {
    let (planes, height, width) = picture.dim();
    let mut pictures = Array4::zeros((places.len(), planes, height, width));
    // A plane has pixels: no model has a side of nothing.
    let means: Vec<f32> = picture
        .outer_iter()
        .map(|plane| plane.mean().unwrap_or_default())
        .collect();
    for (mut copy, &(row, column)) in pictures.outer_iter_mut().zip(places) {
        copy.assign(picture);
        let (rows, columns) = (around(row, ROWS), around(column, COLUMNS));
        let [top, bottom] = [rows.start, rows.end].map(|place| place * height / ROWS);
        let [left, right] = [columns.start, columns.end].map(|place| place * width / COLUMNS);
        for (mut plane, mean) in copy.outer_iter_mut().zip(&means) {
            plane.slice_mut(s![top..bottom, left..right]).fill(*mean);
        }
    }
    pictures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_covers_its_place_and_the_neighbours_alone() {
        let picture = Array3::from_shape_fn((3, 32, 16), |(plane, y, x)| {
            (plane * 1000 + y * 16 + x) as f32
        });
        let copies = covered(&picture, &[(0, 0), (5, 7), (15, 3)]);
        for (copy, (rows, columns)) in
            copies
                .outer_iter()
                .zip([(0..4, 0..4), (8..14, 12..16), (28..32, 4..10)])
        {
            for ((plane, y, x), value) in copy.indexed_iter() {
                let mean = plane as f32 * 1000.0 + 255.5;
                let expected = if rows.contains(&y) && columns.contains(&x) {
                    mean
                } else {
                    picture[(plane, y, x)]
                };
                assert!((value - expected).abs() < 0.1, "{plane} {y} {x}");
            }
        }
    }

    #[test]
    fn a_small_picture_has_patches_too() {
        let copies = covered(&Array3::ones((3, 8, 4)), &[(15, 7), (0, 0)]);
        assert!(copies.iter().all(|value| (value - 1.0).abs() < 1e-6));
    }
}
