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
    tangled: Vec<(u32, usize)>,
    scores: Vec<f64>,
    gain: Vec<f64>,
    cell: Vec<usize>,
    matched: Vec<usize>,
}

impl Matching {
    /// Positions in `candidates` of the pairs chosen, ascending. Candidates come by row and column.
    ///
    /// The frame falls apart into groups of boxes that compete, and each is solved alone. When a tie is possible, the frame is
    /// solved as one matrix instead, so that the choice among equals is that of the published evaluators.
    pub fn solve(&mut self, rows: usize, columns: usize, candidates: &[Candidate]) -> &[usize] {
        self.matched.clear();
        self.sort_into_groups(rows, columns, candidates);
        if self.has_tie(candidates) {
            self.matched.clear();
            self.tangled.clear();
            self.tangled.extend((0..candidates.len()).map(|at| (0, at)));
            self.solve_matrix(0..candidates.len(), candidates, Some((rows, columns)));
        } else {
            let mut start = 0;
            while start < self.tangled.len() {
                let group = self.tangled[start].0;
                let length = self.tangled[start..]
                    .iter()
                    .take_while(|entry| entry.0 == group)
                    .count();
                self.solve_matrix(start..start + length, candidates, None);
                start += length;
            }
        }
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
            self.degree[usize::from(candidate.row)] += 1;
            self.degree[rows + usize::from(candidate.column)] += 1;
        }
        self.tangled.clear();
        for (at, candidate) in candidates.iter().enumerate() {
            let (row, column) = ends(candidate, rows);
            if self.degree[row] == 1 && self.degree[column] == 1 {
                self.matched.push(at);
            } else {
                let (one, other) = (self.root(row), self.root(column));
                self.group[one.max(other) as usize] = one.min(other);
                self.tangled.push((0, at));
            }
        }
        for n in 0..self.tangled.len() {
            let at = self.tangled[n].1;
            self.tangled[n].0 = self.root(usize::from(candidates[at].row));
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

    fn has_tie(&mut self, candidates: &[Candidate]) -> bool {
        self.scores.clear();
        let tangled = self.tangled.iter();
        self.scores
            .extend(tangled.map(|&(_, at)| candidates[at].score));
        self.scores.sort_unstable_by(f64::total_cmp);
        self.scores.windows(2).any(|two| two[1] - two[0] < TIE)
    }

    /// Solves the candidates at `range` of `tangled`, over the boxes they name or over a frame of `size`.
    fn solve_matrix(
        &mut self,
        range: std::ops::Range<usize>,
        candidates: &[Candidate],
        size: Option<(usize, usize)>,
    ) {
        let members = &self.tangled[range];
        let (mut row_list, mut column_list): (Vec<u16>, Vec<u16>) = match size {
            Some((rows, columns)) => ((0..rows as u16).collect(), (0..columns as u16).collect()),
            None => members
                .iter()
                .map(|&(_, at)| (candidates[at].row, candidates[at].column))
                .unzip(),
        };
        row_list.sort_unstable();
        row_list.dedup();
        column_list.sort_unstable();
        column_list.dedup();
        let (rows, columns) = (row_list.len(), column_list.len());
        self.gain.clear();
        self.gain.resize(rows * columns, 0.0);
        self.cell.clear();
        self.cell.resize(rows * columns, usize::MAX);
        for &(_, at) in members {
            let candidate = candidates[at];
            let row = row_list.partition_point(|&row| row < candidate.row);
            let column = column_list.partition_point(|&column| column < candidate.column);
            self.gain[row * columns + column] = candidate.score;
            self.cell[row * columns + column] = at;
        }
        for (row, column) in self.assignment.maximise(&self.gain, rows, columns) {
            let at = self.cell[row * columns + column];
            if at != usize::MAX {
                self.matched.push(at);
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
            let mut pairs: Vec<_> = whole.into_iter().filter(|&(r, c)| gain[r * columns + c] > 0.0).collect();
            pairs.sort_unstable();
            let mut matching = Matching::default();
            let chosen: Vec<_> = matching
                .solve(rows, columns, &candidates)
                .iter()
                .map(|&at| (usize::from(candidates[at].row), usize::from(candidates[at].column)))
                .collect();
            prop_assert_eq!(chosen, pairs);
        }
    }
}
