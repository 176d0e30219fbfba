//! Which boxes of a frame go together: the assignment with the greatest total score, where most boxes meet few others.

use crate::assignment::Assignment;

/// Two boxes of a frame that may be paired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub row: u16,
    pub column: u16,
    /// Above 0.
    pub score: f64,
}

/// Scores closer than this are a tie.
const TIE: f64 = 1e-9;

/// A solver that keeps its memory between frames.
#[derive(Default)]
pub(crate) struct Matching {
    assignment: Assignment,
    /// Union-find over rows, then columns.
    group: Vec<u32>,
    degree: Vec<u16>,
    /// Group and position of candidates that have a competitor.
    tangled: Vec<(u32, u32)>,
    scores: Vec<f64>,
    rows: Vec<u16>,
    columns: Vec<u16>,
    cost: Vec<f64>,
    cell: Vec<u32>,
    matched: Vec<usize>,
}

const EMPTY: u32 = u32::MAX;

impl Matching {
    /// Positions in `candidates` of the pairs chosen, ascending. Candidates come by row and column.
    ///
    /// The frame falls apart into groups of boxes that compete, and each is solved alone. When a group may have a tie, the frame is
    /// solved as one matrix instead, so that the choice among equals is that of the published evaluators.
    pub fn solve(&mut self, rows: usize, columns: usize, candidates: &[Candidate]) -> &[usize] {
        self.matched.clear();
        self.sort_into_groups(rows, columns, candidates);
        let tangled = std::mem::take(&mut self.tangled);
        for group in tangled.chunk_by(|one, other| one.0 == other.0) {
            if self.has_tie(group, candidates) {
                self.solve_whole(rows, columns, candidates);
                break;
            }
            self.solve_group(group, candidates);
        }
        self.tangled = tangled;
        self.matched.sort_unstable();
        &self.matched
    }

    /// Pairs without a competitor are matched at once; the others go to `tangled`, by group.
    fn sort_into_groups(&mut self, rows: usize, columns: usize, candidates: &[Candidate]) {
        self.degree.clear();
        self.degree.resize(rows + columns, 0);
        self.group.clear();
        self.group.extend(0..(rows + columns) as u32);
        for candidate in candidates {
            let (row, column) = ends(candidate, rows);
            self.degree[row] += 1;
            self.degree[column] += 1;
        }
        self.tangled.clear();
        for (at, candidate) in candidates.iter().enumerate() {
            let (row, column) = ends(candidate, rows);
            if self.degree[row] == 1 && self.degree[column] == 1 {
                self.matched.push(at);
            } else {
                let (one, other) = (self.root(row), self.root(column));
                self.group[one.max(other) as usize] = one.min(other);
                self.tangled.push((0, at as u32));
            }
        }
        for n in 0..self.tangled.len() {
            let candidate = candidates[self.tangled[n].1 as usize];
            self.tangled[n].0 = self.root(usize::from(candidate.row));
        }
        self.tangled.sort_unstable();
    }

    fn root(&mut self, mut of: usize) -> u32 {
        while self.group[of] as usize != of {
            let parent = self.group[of] as usize;
            self.group[of] = self.group[parent];
            of = parent;
        }
        of as u32
    }

    fn has_tie(&mut self, group: &[(u32, u32)], candidates: &[Candidate]) -> bool {
        self.scores.clear();
        let scores = group.iter().map(|&(_, at)| candidates[at as usize].score);
        self.scores.extend(scores);
        self.scores.sort_unstable_by(f64::total_cmp);
        self.scores.windows(2).any(|two| two[1] - two[0] < TIE)
    }

    fn solve_group(&mut self, group: &[(u32, u32)], candidates: &[Candidate]) {
        let members = group.iter().map(|&(_, at)| candidates[at as usize]);
        let is_in = |list: &[u16], value| list.last() == Some(&value);
        self.rows.clear();
        self.columns.clear();
        for member in members {
            if !is_in(&self.rows, member.row) {
                self.rows.push(member.row);
            }
            self.columns.push(member.column);
        }
        self.columns.sort_unstable();
        self.columns.dedup();
        if self.rows.len() == 1 || self.columns.len() == 1 {
            let score = |&(_, at): &(u32, u32)| candidates[at as usize].score;
            let best = group
                .iter()
                .max_by(|one, other| score(one).total_cmp(&score(other)));
            self.matched.extend(best.map(|&(_, at)| at as usize));
        } else {
            self.solve_matrix(group.iter().map(|&(_, at)| at), candidates);
        }
    }

    fn solve_whole(&mut self, rows: usize, columns: usize, candidates: &[Candidate]) {
        self.matched.clear();
        self.rows.clear();
        self.rows.extend(0..rows as u16);
        self.columns.clear();
        self.columns.extend(0..columns as u16);
        self.solve_matrix(0..candidates.len() as u32, candidates);
    }

    /// Solves candidates at these positions over the boxes in `rows` and `columns`.
    fn solve_matrix(&mut self, members: impl Iterator<Item = u32>, candidates: &[Candidate]) {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        self.cost.clear();
        self.cost.resize(rows * columns, 0.0);
        self.cell.clear();
        self.cell.resize(rows * columns, EMPTY);
        for at in members {
            let candidate = candidates[at as usize];
            let row = self.rows.partition_point(|&row| row < candidate.row);
            let column = self.columns.partition_point(|&c| c < candidate.column);
            self.cost[row * columns + column] = -candidate.score;
            self.cell[row * columns + column] = at;
        }
        for (row, column) in self.assignment.minimise(&self.cost, rows, columns) {
            let at = self.cell[row * columns + column];
            if at != EMPTY {
                self.matched.push(at as usize);
            }
        }
    }
}

fn ends(candidate: &Candidate, rows: usize) -> (usize, usize) {
    (
        usize::from(candidate.row),
        rows + usize::from(candidate.column),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = (usize, usize, Vec<Candidate>)> {
        (1usize..12, 1usize..12, any::<bool>()).prop_flat_map(|(rows, columns, is_coarse)| {
            prop::collection::vec((0.0f64..1.0, 0u8..4), rows * columns).prop_map(move |cells| {
                let kept = cells
                    .into_iter()
                    .enumerate()
                    .filter(|(_, cell)| cell.1 == 0);
                let candidates = kept
                    .map(|(at, (score, _))| Candidate {
                        row: (at / columns) as u16,
                        column: (at % columns) as u16,
                        score: if is_coarse {
                            (score * 3.0).ceil().max(1.0)
                        } else {
                            score + 1e-6
                        },
                    })
                    .collect();
                (rows, columns, candidates)
            })
        })
    }

    proptest! {
        #[test]
        fn groups_solved_alone_are_as_good_as_the_whole((rows, columns, candidates) in frames()) {
            let mut gain = vec![0.0; rows * columns];
            for c in &candidates {
                gain[usize::from(c.row) * columns + usize::from(c.column)] = c.score;
            }
            let whole = Assignment::new().maximise(&gain, rows, columns);
            let best: f64 = whole.into_iter().map(|(r, c)| gain[r * columns + c]).sum();
            let mut matching = Matching::default();
            let chosen: Vec<Candidate> = matching
                .solve(rows, columns, &candidates)
                .iter()
                .map(|&at| candidates[at])
                .collect();
            // Sums may tie where no two scores do (2 + 1 and 3), so it is the total that must be equal.
            let total: f64 = chosen.iter().map(|pair| pair.score).sum();
            prop_assert!((total - best).abs() < 1e-9, "{total} instead of {best}");
            let distinct = |of: fn(&Candidate) -> u16| chosen.iter().map(of).collect::<BTreeSet<_>>().len();
            prop_assert_eq!(distinct(|pair| pair.row), chosen.len());
            prop_assert_eq!(distinct(|pair| pair.column), chosen.len());
        }
    }
}
