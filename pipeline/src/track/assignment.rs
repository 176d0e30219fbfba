//! Linear assignment: which row goes to which column so that the sum of costs is smallest.
//!
//! Shortest augmenting paths with potentials (the Hungarian method as Jonker and Volgenant run it): `O(n² m)`, exact,
//! and free of random choices, so equal input gives equal output. A pair that costs `limit` or more is never made;
//! leaving a row alone costs `limit`, which is what makes partial matchings optimal too.

/// Reusable working memory: nothing is allocated once it has grown to the largest problem seen.
#[derive(Debug, Default)]
pub struct Assigner {
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    column_row: Vec<usize>,
    column_before: Vec<usize>,
    column_slack: Vec<f64>,
    is_column_done: Vec<bool>,
    pairs: Vec<(usize, usize)>,
}

impl Assigner {
    /// Solves for a `rows x columns` cost matrix stored row after row, and returns the pairs `(row, column)` in row order.
    ///
    /// Costs that are not finite, or not under `limit`, forbid their pair. A cost slice shorter than
    /// `rows * columns` reads as forbidden where it ends.
    pub fn solve(
        &mut self,
        rows: usize,
        columns: usize,
        costs: &[f32],
        limit: f32,
    ) -> &[(usize, usize)] {
        self.pairs.clear();
        if rows == 0 || columns == 0 || !limit.is_finite() {
            return &self.pairs;
        }
        let cost = |row: usize, column: usize| -> f64 {
            let value = costs
                .get(row * columns + column)
                .copied()
                .unwrap_or(f32::INFINITY);
            if value.is_finite() && value < limit {
                f64::from(value)
            } else {
                f64::from(limit)
            }
        };
        // The method wants no more rows than columns.
        if rows <= columns {
            self.augment(rows, columns, cost);
        } else {
            self.augment(columns, rows, |column, row| cost(row, column));
        }
        for index in 1..self.column_row.len() {
            let matched = self.column_row[index];
            if matched == 0 {
                continue;
            }
            let (row, column) = if rows <= columns {
                (matched - 1, index - 1)
            } else {
                (index - 1, matched - 1)
            };
            let value = costs
                .get(row * columns + column)
                .copied()
                .unwrap_or(f32::INFINITY);
            if value.is_finite() && value < limit {
                self.pairs.push((row, column));
            }
        }
        self.pairs.sort_unstable();
        &self.pairs
    }

    /// Adds one row after another; index 0 stands for "none" in every table.
    fn augment(&mut self, rows: usize, columns: usize, cost: impl Fn(usize, usize) -> f64) {
        reset(&mut self.row_potential, rows + 1, 0.0);
        reset(&mut self.column_potential, columns + 1, 0.0);
        reset(&mut self.column_row, columns + 1, 0);
        reset(&mut self.column_before, columns + 1, 0);
        for row in 1..=rows {
            self.column_row[0] = row;
            reset(&mut self.column_slack, columns + 1, f64::INFINITY);
            reset(&mut self.is_column_done, columns + 1, false);
            let mut column = 0;
            loop {
                self.is_column_done[column] = true;
                let current = self.column_row[column];
                let mut step = f64::INFINITY;
                let mut next = 0;
                for other in 1..=columns {
                    if self.is_column_done[other] {
                        continue;
                    }
                    let reduced = cost(current - 1, other - 1)
                        - self.row_potential[current]
                        - self.column_potential[other];
                    if reduced < self.column_slack[other] {
                        self.column_slack[other] = reduced;
                        self.column_before[other] = column;
                    }
                    if self.column_slack[other] < step {
                        step = self.column_slack[other];
                        next = other;
                    }
                }
                for other in 0..=columns {
                    if self.is_column_done[other] {
                        self.row_potential[self.column_row[other]] += step;
                        self.column_potential[other] -= step;
                    } else {
                        self.column_slack[other] -= step;
                    }
                }
                column = next;
                if self.column_row[column] == 0 {
                    break;
                }
            }
            while column != 0 {
                let before = self.column_before[column];
                self.column_row[column] = self.column_row[before];
                column = before;
            }
        }
    }
}

fn reset<T: Clone>(table: &mut Vec<T>, length: usize, value: T) {
    table.clear();
    table.resize(length, value);
}

#[cfg(test)]
mod tests {
    use super::Assigner;
    use proptest::prelude::*;

    /// Tries every partial matching; leaving a row alone costs `limit`.
    fn cheapest_by_trying_all(
        rows: usize,
        columns: usize,
        costs: &[f32],
        limit: f32,
        row: usize,
        taken: u32,
    ) -> f64 {
        if row == rows {
            return 0.0;
        }
        let mut best =
            f64::from(limit) + cheapest_by_trying_all(rows, columns, costs, limit, row + 1, taken);
        for column in 0..columns {
            let value = costs[row * columns + column];
            if taken & (1 << column) == 0 && value.is_finite() && value < limit {
                let rest = cheapest_by_trying_all(
                    rows,
                    columns,
                    costs,
                    limit,
                    row + 1,
                    taken | (1 << column),
                );
                best = best.min(f64::from(value) + rest);
            }
        }
        best
    }

    fn total(rows: usize, columns: usize, costs: &[f32], limit: f32) -> f64 {
        let mut assigner = Assigner::default();
        let pairs = assigner.solve(rows, columns, costs, limit);
        let mut seen_columns = vec![false; columns];
        for &(_, column) in pairs {
            assert!(!seen_columns[column], "column {column} used twice");
            seen_columns[column] = true;
        }
        let matched: f64 = pairs
            .iter()
            .map(|&(row, column)| f64::from(costs[row * columns + column]))
            .sum();
        matched + f64::from(limit) * (rows - pairs.len()) as f64
    }

    proptest! {
        #[test]
        fn the_assignment_is_as_cheap_as_the_best_of_all(
            rows in 0usize..6,
            columns in 0usize..6,
            values in prop::collection::vec(prop_oneof![8 => 0.0f32..2.0, 1 => Just(f32::INFINITY), 1 => Just(f32::NAN)], 36),
            limit in 0.1f32..1.5,
        ) {
            let costs = &values[..rows * columns];
            let ours = total(rows, columns, costs, limit);
            let best = cheapest_by_trying_all(rows, columns, costs, limit, 0, 0);
            prop_assert!((ours - best).abs() < 1e-4, "ours {ours}, best {best}");
        }
    }

    #[test]
    fn a_greedy_trap_is_solved() {
        // Greedy takes (0, 0) and pays 1.9; the best pairs cost 0.5.
        let costs = [0.1, 0.2, 0.3, 1.8];
        let mut assigner = Assigner::default();
        assert_eq!(assigner.solve(2, 2, &costs, 2.0), &[(0, 1), (1, 0)]);
    }

    #[test]
    fn forbidden_pairs_are_never_made() {
        let costs = [0.9, f32::NAN, f32::INFINITY, 0.2];
        let mut assigner = Assigner::default();
        assert_eq!(assigner.solve(2, 2, &costs, 0.8), &[(1, 1)]);
    }

    #[test]
    fn an_empty_problem_has_no_pairs() {
        let mut assigner = Assigner::default();
        assert!(assigner.solve(0, 5, &[], 1.0).is_empty());
        assert!(assigner.solve(5, 0, &[], 1.0).is_empty());
    }
}
