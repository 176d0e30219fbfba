//! Random cases, made from integers by the same steps as in `golden/tracking.py` and `golden/retrieval.py`.

/// splitmix64
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 33) % n as u64) as i64
    }

    pub fn about(&mut self, n: i64) -> i64 {
        self.below(2 * n + 1) - n
    }
}

fn mot_line(frame: i64, number: i64, bbox: &[i64; 4], grid: i64) -> String {
    let [x, y, w, h] = bbox.map(|value| value as f64 / grid as f64);
    format!("{frame},{number},{x:.4},{y:.4},{w:.4},{h:.4}")
}

/// Ground truth and tracks of one camera.
pub fn mot_case(seed: u64) -> (String, String) {
    let mut d = Dice(seed);
    let (people, frames) = (1 + d.below(8), 2 + d.below(20));
    let grid = [1, 4, 97][d.below(3) as usize];
    let has_classes = d.below(3) == 0;
    let (absent, missed, swap, spurious, jitter) = (
        d.below(30),
        d.below(40),
        d.below(15),
        d.below(40),
        d.below(14),
    );
    let (mut state, mut classes) = (Vec::new(), Vec::new());
    for _ in 0..people {
        let bbox = [
            d.below(150) * grid,
            d.below(60) * grid,
            (20 + d.below(40)) * grid,
            (40 + d.below(80)) * grid,
        ];
        state.push((bbox, d.about(6) * grid));
        classes.push([1, 1, 1, 1, 1, 1, 7, 2, 3, 8][d.below(10) as usize]);
    }
    let mut track_of: Vec<i64> = (1..=people).collect();
    let mut fresh = 100;
    let (mut truth, mut tracks) = (Vec::new(), Vec::new());
    for f in 1..=frames {
        if d.below(100) < swap {
            let (a, b) = (d.below(people), d.below(people));
            track_of.swap(a as usize, b as usize);
        }
        if d.below(100) < swap {
            track_of[d.below(people) as usize] = fresh;
            fresh += 1;
        }
        for p in 0..people as usize {
            state[p].0[0] += state[p].1;
            let bbox = state[p].0;
            if d.below(100) >= absent {
                let flag = i64::from(d.below(20) != 0);
                let tail = if has_classes {
                    format!(",{flag},{},1", classes[p])
                } else {
                    format!(",{flag},-1,-1,-1")
                };
                truth.push(mot_line(f, p as i64 + 1, &bbox, grid) + &tail);
                if d.below(100) >= missed {
                    let near = bbox.map(|value| value + d.about(jitter) * grid + d.about(grid));
                    tracks.push(mot_line(f, track_of[p], &near, grid) + ",0.9,-1,-1,-1");
                }
            }
        }
        if d.below(100) < spurious {
            let bbox = state[d.below(people) as usize].0;
            let bbox = bbox.map(|value| value + d.about(10) * grid);
            tracks.push(mot_line(f, fresh, &bbox, grid) + ",0.9,-1,-1,-1");
            fresh += d.below(2);
        }
    }
    if d.below(4) == 0 {
        truth.reverse();
        tracks.reverse();
    }
    (truth.join("\n"), tracks.join("\n"))
}

/// AI City rows of a scene: ground truth and tracks.
pub fn scene_case(seed: u64) -> (String, String) {
    let mut d = Dice(seed);
    let (people, frames, cameras) = (1 + d.below(6), 2 + d.below(12), 1 + d.below(4));
    let (noise, missed, swap) = (d.below(1500), d.below(40), d.below(12));
    let mut world: Vec<[i64; 4]> = (0..people)
        .map(|_| [d.below(20000), d.below(20000), d.about(400), d.about(400)])
        .collect();
    let mut track_of: Vec<Vec<i64>> = (0..cameras)
        .map(|c| (0..people).map(|p| c * swap / 6 * 10 + p + 1).collect())
        .collect();
    let (mut truth, mut tracks) = (Vec::new(), Vec::new());
    for f in 0..frames {
        for person in &mut world {
            person[0] += person[2];
            person[1] += person[3];
        }
        for c in 0..cameras {
            if d.below(100) < swap {
                let (a, b) = (d.below(people), d.below(people));
                track_of[c as usize].swap(a as usize, b as usize);
            }
            for p in 0..people {
                if d.below(100) < 30 {
                    continue;
                }
                let [x, y, ..] = world[p as usize];
                let bbox = [
                    (x.div_euclid(40) + 37 * c).rem_euclid(600),
                    (y.div_euclid(60) + 11 * c).rem_euclid(300),
                    40 + p,
                    90 + 2 * p,
                ];
                truth.push(scene_line(
                    [c + 1, p + 1, f],
                    &bbox,
                    &format!("{:.3} {:.3}", x as f64 / 1e3, y as f64 / 1e3),
                ));
                if d.below(100) >= missed {
                    let near = bbox.map(|value| value + d.about(8));
                    let wx = x * 10 + d.about(10 * noise);
                    let wy = y * 10 + d.about(10 * noise);
                    let number = track_of[c as usize][p as usize];
                    tracks.push(scene_line(
                        [c + 1, number, f],
                        &near,
                        &format!("{:.4} {:.4}", wx as f64 / 1e4, wy as f64 / 1e4),
                    ));
                }
            }
        }
    }
    (truth.join("\n"), tracks.join("\n"))
}

fn scene_line(head: [i64; 3], bbox: &[i64; 4], world: &str) -> String {
    let [camera, number, frame] = head;
    let [x, y, w, h] = bbox;
    format!("{camera} {number} {frame} {x} {y} {w} {h} {world}")
}
