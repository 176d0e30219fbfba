//! Rows of vectors as a NumPy file (`.npy`, format 1.0, little-endian fp32, C order).

use std::io::{self, Write};

use ndarray::ArrayView2;

/// Start of every file of format 1.0.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// The header is padded so that the values start at a multiple of this.
const ALIGNMENT: usize = 64;

/// Writes `rows` (N x D) to `out`.
///
/// # Errors
/// Whatever `out` gives.
pub fn write(mut out: impl Write, rows: &ArrayView2<'_, f32>) -> io::Result<()> {
    let (count, dimension) = rows.dim();
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, {dimension}), }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    // At most 128 bytes: two numbers of 20 digits each.
    let length = u16::try_from(header.len()).map_err(io::Error::other)?;
    out.write_all(MAGIC)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    let mut line = Vec::with_capacity(dimension * size_of::<f32>());
    for row in rows.outer_iter() {
        line.clear();
        for value in row {
            line.extend_from_slice(&value.to_le_bytes());
        }
        out.write_all(&line)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Bytes that numpy 2.4.6 wrote for the same array: `np.save(f, np.array([[1, 2, 3], [-4, .5, 0]], '<f4'))`.
    #[test]
    fn a_file_is_byte_for_byte_what_numpy_writes() {
        let mut written = Vec::new();
        let rows = array![[1.0_f32, 2.0, 3.0], [-4.0, 0.5, 0.0]];
        write(&mut written, &rows.view()).unwrap();
        assert_eq!(written, include_bytes!("../tests/golden/rows.npy"));
    }

    #[test]
    fn no_rows_still_make_a_file_with_their_dimension() {
        let mut written = Vec::new();
        write(
            &mut written,
            &ArrayView2::from_shape((0, 256), &[]).unwrap(),
        )
        .unwrap();
        assert_eq!(written.len() % ALIGNMENT, 0);
        assert!(String::from_utf8_lossy(&written).contains("'shape': (0, 256)"));
    }
}
