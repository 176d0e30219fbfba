//! The assignment problem: which row goes with which column, at the least cost in all.
//!
//! Shortest augmenting paths with dual variables (Jonker and Volgenant 1987), in the rectangular form of Crouse, "On implementing
//! 2D rectangular assignment algorithms", IEEE TAES 52(4), 2016, section III. Where several assignments cost the same, the choice
//! is that of the published evaluators' solver, so that a tie never makes a measure differ: rows are added in their order, tall
//! matrices are turned, and among columns at the same distance a free one wins, else the one met first when going from the last
//! column to the first.

/// A solver that keeps its memory between problems.
#[derive(Debug, Default)]
pub struct Assignment {
    row_price: Vec<f64>,
    column_price: Vec<f64>,
    distance: Vec<f64>,
    parent: Vec<usize>,
    row_of: Vec<usize>,
    column_of: Vec<usize>,
    open: Vec<usize>,
    settled: Vec<usize>,
    turned: Vec<f64>,
}

const FREE: usize = usize::MAX;

impl Assignment {
    /// A solver without memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pairs (row, column), by row, of an assignment of all rows or all columns, whichever are fewer, at the least total cost.
    ///
    /// `cost` holds `rows` x `columns` finite numbers, row by row.
    ///
    /// # Panics
    /// When `cost` is not of that length, or holds something that is not finite.
    pub fn minimise(&mut self, cost: &[f64], rows: usize, columns: usize) -> Vec<(usize, usize)> {
        assert_eq!(cost.len(), rows * columns, "the cost matrix has its size");
        assert!(
            cost.iter().all(|value| value.is_finite()),
            "costs are finite"
        );
        if rows == 0 || columns == 0 {
            return Vec::new();
        }
        if rows <= columns {
            self.solve(cost, rows, columns);
            return self.column_of.iter().copied().enumerate().collect();
        }
        let mut turned = std::mem::take(&mut self.turned);
        turned.clear();
        turned.extend((0..columns).flat_map(|c| (0..rows).map(move |r| cost[r * columns + c])));
        self.solve(&turned, columns, rows);
        self.turned = turned;
        let mut pairs: Vec<_> = self
            .column_of
            .iter()
            .enumerate()
            .map(|(column, &row)| (row, column))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// As [`Assignment::minimise`] for the greatest total.
    ///
    /// # Panics
    /// As [`Assignment::minimise`].
    pub fn maximise(&mut self, gain: &[f64], rows: usize, columns: usize) -> Vec<(usize, usize)> {
        let cost: Vec<f64> = gain.iter().map(|value| -value).collect();
        self.minimise(&cost, rows, columns)
    }

    /// Fills `column_of` for every row; there are at least as many columns.
    fn solve(&mut self, cost: &[f64], rows: usize, columns: usize) {
        refill(&mut self.row_price, rows, 0.0);
        refill(&mut self.column_price, columns, 0.0);
        refill(&mut self.distance, columns, f64::INFINITY);
        refill(&mut self.parent, columns, FREE);
        refill(&mut self.row_of, columns, FREE);
        refill(&mut self.column_of, rows, FREE);
        for row in 0..rows {
            let (end, length) = self.shortest_path(cost, columns, row);
            self.raise_prices(row, length);
            self.flip(row, end);
        }
    }

    /// Dijkstra over reduced costs from `start` to the nearest free column; gives that column and its distance.
    fn shortest_path(&mut self, cost: &[f64], columns: usize, start: usize) -> (usize, f64) {
        self.distance.fill(f64::INFINITY);
        self.settled.clear();
        self.open.clear();
        self.open.extend((0..columns).rev());
        let (mut row, mut length) = (start, 0.0);
        loop {
            let costs = &cost[row * columns..][..columns];
            let price = self.row_price[row];
            let (mut nearest, mut at) = (f64::INFINITY, 0);
            for (place, &column) in self.open.iter().enumerate() {
                let through = length + costs[column] - price - self.column_price[column];
                if through < self.distance[column] {
                    self.distance[column] = through;
                    self.parent[column] = row;
                }
                let distance = self.distance[column];
                if distance < nearest || (distance == nearest && self.row_of[column] == FREE) {
                    (nearest, at) = (distance, place);
                }
            }
            length = nearest;
            let column = self.open.swap_remove(at);
            self.settled.push(column);
            if self.row_of[column] == FREE {
                return (column, length);
            }
            row = self.row_of[column];
        }
    }

    /// Keeps every reduced cost at zero or above, and those along the path at zero.
    fn raise_prices(&mut self, start: usize, length: f64) {
        self.row_price[start] += length;
        for &column in &self.settled {
            let slack = length - self.distance[column];
            self.column_price[column] -= slack;
            if let Some(price) = self.row_price.get_mut(self.row_of[column]) {
                *price += slack;
            }
        }
    }

    /// Exchanges assigned and free edges along the path that ends in the free column `end`.
    fn flip(&mut self, start: usize, end: usize) {
        let mut column = end;
        loop {
            let row = self.parent[column];
            self.row_of[column] = row;
            std::mem::swap(&mut self.column_of[row], &mut column);
            if row == start {
                return;
            }
        }
    }
}

fn refill<T: Clone>(buffer: &mut Vec<T>, length: usize, value: T) {
    buffer.clear();
    buffer.resize(length, value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(cost: &[f64], columns: usize, pairs: &[(usize, usize)]) -> f64 {
        pairs.iter().map(|&(r, c)| cost[r * columns + c]).sum()
    }

    /// Tries everything: each row takes each column that is left, or none when rows are more.
    fn least(cost: &[f64], rows: usize, columns: usize) -> f64 {
        fn go(cost: &[f64], rows: usize, columns: usize, row: usize, used: u32) -> f64 {
            let assigned = used.count_ones() as usize;
            if row == rows {
                return if assigned == rows.min(columns) {
                    0.0
                } else {
                    f64::INFINITY
                };
            }
            let skip = go(cost, rows, columns, row + 1, used);
            (0..columns)
                .filter(|c| used & (1 << c) == 0)
                .map(|c| {
                    cost[row * columns + c] + go(cost, rows, columns, row + 1, used | (1 << c))
                })
                .fold(skip, f64::min)
        }
        go(cost, rows, columns, 0, 0)
    }

    fn matrices() -> impl Strategy<Value = (usize, usize, Vec<f64>)> {
        (0usize..6, 0usize..6, any::<bool>()).prop_flat_map(|(rows, columns, is_coarse)| {
            let cells = prop::collection::vec(-1e3f64..1e3, rows * columns).prop_map(move |v| {
                v.into_iter()
                    .map(|x| if is_coarse { (x / 400.0).round() } else { x })
                    .collect()
            });
            (Just(rows), Just(columns), cells)
        })
    }

    proptest! {
        #[test]
        fn nothing_is_cheaper_than_the_assignment((rows, columns, cost) in matrices()) {
            let pairs = Assignment::new().minimise(&cost, rows, columns);
            prop_assert_eq!(pairs.len(), rows.min(columns));
            let mut seen: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), pairs.len());
            prop_assert!(pairs.windows(2).all(|two| two[0].0 < two[1].0));
            let expected = if pairs.is_empty() { 0.0 } else { least(&cost, rows, columns) };
            prop_assert!((total(&cost, columns, &pairs) - expected).abs() < 1e-9);
        }

        #[test]
        fn a_used_solver_answers_as_a_fresh_one(
            (rows, columns, cost) in matrices(),
            (rows2, columns2, cost2) in matrices(),
        ) {
            let mut used = Assignment::new();
            used.minimise(&cost2, rows2, columns2);
            let pairs = used.maximise(&cost, rows, columns);
            prop_assert_eq!(pairs, Assignment::new().maximise(&cost, rows, columns));
        }
    }

    #[test]
    fn equal_costs_give_the_diagonal() {
        for (rows, columns) in [(1, 1), (3, 3), (2, 4), (4, 2)] {
            let pairs = Assignment::new().minimise(&vec![7.0; rows * columns], rows, columns);
            assert!(pairs.iter().all(|(r, c)| r == c), "{pairs:?}");
        }
    }

    #[test]
    fn prices_of_very_different_size_do_not_drown_one_another() {
        let cost = [1e10, 1.0, 2.0, 1e10];
        assert_eq!(Assignment::new().minimise(&cost, 2, 2), [(0, 1), (1, 0)]);
        let near = [-1000.7, -1000.6, -1000.5, -1000.3];
        assert_eq!(Assignment::new().minimise(&near, 2, 2), [(0, 1), (1, 0)]);
    }
}
