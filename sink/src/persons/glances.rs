//! What tracks have in common with each person, in eight bits, kept while a track is looked at again and again.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;

use super::pairs::Spread;
use crate::TrackId;

/// Tracks of which it is kept; more are looked at in turn only on a site where three begin every second.
const MOST: usize = 256;

/// Changes of rows that are kept beyond twice the number of rows.
const CHANGES: usize = 1024;

/// Products of recent tracks with all rows of a table that changes row by row.
#[derive(Debug, Default)]
pub(super) struct Glances {
    of: HashMap<TrackId, Glance, BuildHasherDefault<Spread>>,
    /// In the order in which they came.
    order: VecDeque<TrackId>,
    /// Rows that changed, the latest last.
    changed: Vec<usize>,
    /// Changes that are kept no more.
    forgotten: usize,
}

#[derive(Debug)]
struct Glance {
    /// Of the track.
    look: Vec<f32>,
    /// Changes that are in `products`.
    up_to: usize,
    products: Vec<f32>,
}

impl Glances {
    /// A row is another one now, is new, or has gone with those behind it.
    pub(super) fn changed(&mut self, row: usize, rows: usize) {
        self.changed.push(row);
        if self.changed.len() > 2 * rows + CHANGES {
            let half = self.changed.len() / 2;
            self.changed.drain(..half);
            self.forgotten += half;
        }
    }

    /// The products of a track that looks like this with all rows; `product` makes one, where it is not known.
    pub(super) fn products(
        &mut self,
        track: TrackId,
        look: &[f32],
        rows: usize,
        mut product: impl FnMut(usize) -> f32,
    ) -> &[f32] {
        if !self.of.contains_key(&track) {
            if self.order.len() >= MOST
                && let Some(first) = self.order.pop_front()
            {
                self.of.remove(&first);
            }
            self.order.push_back(track);
        }
        let now = self.forgotten + self.changed.len();
        let glance = self.of.entry(track).or_insert_with(|| Glance {
            look: Vec::new(),
            up_to: 0,
            products: Vec::new(),
        });
        let since = glance.up_to.checked_sub(self.forgotten);
        match since.and_then(|since| self.changed.get(since..)) {
            Some(changed) if glance.look == look => {
                glance.products.resize(rows, 0.0);
                for row in changed {
                    if let Some(known) = glance.products.get_mut(*row) {
                        *known = product(*row);
                    }
                }
            }
            _ => {
                glance.products.clear();
                glance.products.extend((0..rows).map(product));
                glance.look.clear();
                glance.look.extend_from_slice(look);
            }
        }
        glance.up_to = now;
        &glance.products
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_would_be_found_anew_whatever_changed_and_however_long_ago() {
        let mut table: Vec<f32> = (0..10_u8).map(f32::from).collect();
        let mut glances = Glances::default();
        let tracks: Vec<TrackId> = (0..MOST as i64 + 3)
            .map(|n| TrackId::derive("s", "c", n, 0))
            .collect();
        for round in 0..4_000_usize {
            let row = round * 7 % table.len();
            match round % 5 {
                0 => table.push(round as f32),
                1 if table.len() > 4 => {
                    table.swap_remove(row);
                }
                _ => table[row] = round as f32,
            }
            let changed = if round % 5 == 0 { table.len() - 1 } else { row };
            glances.changed(changed, table.len());
            // The first is asked for often, others seldom or once.
            let asked = if round % 3 == 0 {
                0
            } else {
                round * round % tracks.len()
            };
            let look = [(round / 100) as f32];
            let products = glances.products(tracks[asked], &look, table.len(), |row| {
                table[row] * look[0]
            });
            let anew: Vec<f32> = table.iter().map(|value| value * look[0]).collect();
            assert_eq!(products, anew, "round {round}");
        }
        assert!(glances.order.len() <= MOST && glances.of.len() <= MOST);
    }
}
