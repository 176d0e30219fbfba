//! Walks plans tick by tick: keeps to ways, passes others, stops, leaves.

use crate::place::Place;
use crate::routes::{APART_M, FROM_WALL_M, Plan, Stand, Steps, WARM_UP_S};
use crate::way::{Floor, along, length};

#[derive(Debug, Clone, Default)]
struct Walker {
    visit: usize,
    is_here: bool,
    at: [f32; 2],
    velocity: [f32; 2],
    heading: f32,
    progress: f32,
    pause_left: f32,
    paused: usize,
    walked: f32,
    stepping: f32,
    slow: f32,
}

/// Walks all plans from before the start to the end; tick 0 of the result is the scene's start.
#[must_use]
pub fn walk(plans: &[Plan], place: &Place, floor: &Floor, duration_s: f32, tick_s: f32) -> Steps {
    let warm = (WARM_UP_S / tick_s).round() as usize;
    let ticks = (duration_s / tick_s).round() as usize + 1;
    let mut walkers = vec![Walker::default(); plans.len()];
    let mut steps = Vec::with_capacity(ticks);
    for tick in 0..warm + ticks {
        let now = (tick as f32 - warm as f32) * tick_s;
        enter(plans, &mut walkers, now);
        let wishes: Vec<[f32; 2]> = (0..plans.len()).map(|i| wish(plans, &walkers, i)).collect();
        let steered: Vec<[f32; 2]> = (0..plans.len())
            .map(|i| steer(plans, &walkers, i, wishes[i]))
            .collect();
        let before: Vec<[f32; 2]> = walkers.iter().map(|w| w.at).collect();
        for (w, v) in walkers.iter_mut().zip(&steered) {
            let k = (tick_s / 0.25).min(1.0);
            w.velocity = [
                w.velocity[0] + (v[0] - w.velocity[0]) * k,
                w.velocity[1] + (v[1] - w.velocity[1]) * k,
            ];
            if w.is_here {
                let pace = tick_s * sideways(w.velocity, w.heading);
                w.at = [
                    w.at[0] + w.velocity[0] * pace,
                    w.at[1] + w.velocity[1] * pace,
                ];
            }
        }
        separate(plans, &mut walkers, place, floor);
        for (i, w) in walkers.iter_mut().enumerate() {
            if w.is_here && plans[i].seat.is_none() {
                advance(&plans[i], w, before[i], tick_s);
            }
        }
        if tick >= warm {
            steps.push(
                walkers
                    .iter()
                    .map(|w| {
                        w.is_here.then_some(Stand {
                            at: w.at,
                            heading: w.heading,
                            walked_m: w.walked,
                            stepping: w.stepping,
                        })
                    })
                    .collect(),
            );
        }
    }
    steps
}

/// The share of its speed that somebody keeps who moves to the side of where it faces: first one turns, then one walks.
fn sideways(velocity: [f32; 2], heading: f32) -> f32 {
    let speed = velocity[0].hypot(velocity[1]);
    if speed < 1e-3 {
        return 1.0;
    }
    let ahead = (velocity[0] * heading.cos() + velocity[1] * heading.sin()) / speed;
    (0.25 + 1.1 * ahead).clamp(0.15, 1.0)
}

fn enter(plans: &[Plan], walkers: &mut [Walker], now: f32) {
    for i in 0..walkers.len() {
        if let Some((at, heading)) = plans[i].seat {
            walkers[i] = Walker {
                is_here: true,
                at,
                heading,
                ..Walker::default()
            };
            continue;
        }
        let w = &walkers[i];
        let Some(visit) = plans[i].visits.get(w.visit) else {
            continue;
        };
        // One enters only where nobody stands.
        let gap = plans[i]
            .follows
            .map_or(0.0, |(_, side)| if side > 0.0 { 0.9 } else { 1.6 });
        let is_clear = walkers
            .iter()
            .all(|o| !o.is_here || far(o.at, visit.way[0]) > APART_M + 0.25);
        if !w.is_here && now >= visit.start_s + gap && is_clear {
            let ahead = along(&visit.way, 0.5);
            let heading = (ahead[1] - visit.way[0][1]).atan2(ahead[0] - visit.way[0][0]);
            let (visit_number, walked) = (w.visit, w.walked);
            walkers[i] = Walker {
                visit: visit_number,
                is_here: true,
                at: visit.way[0],
                heading,
                walked,
                stepping: 1.0,
                velocity: [
                    heading.cos() * plans[i].speed_m_s,
                    heading.sin() * plans[i].speed_m_s,
                ],
                ..Walker::default()
            };
        }
    }
}

fn far(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The velocity a person would have alone.
fn wish(plans: &[Plan], walkers: &[Walker], i: usize) -> [f32; 2] {
    let (plan, w) = (&plans[i], &walkers[i]);
    if !w.is_here || plan.seat.is_some() || w.pause_left > 0.0 {
        return [0.0; 2];
    }
    let way = &plan.visits[w.visit].way;
    if let Some((leader, side)) = plan.follows {
        let l = &walkers[leader];
        if l.is_here && l.visit == w.visit {
            let (s, c) = l.heading.sin_cos();
            let goal = [
                l.at[0] - s * side - c * 0.12 + l.velocity[0] * 0.4,
                l.at[1] + c * side - s * 0.12 + l.velocity[1] * 0.4,
            ];
            let d = [goal[0] - w.at[0], goal[1] - w.at[1]];
            let long = d[0].hypot(d[1]);
            let is_idle = l.stepping < 0.3 && long < 0.5;
            let speed = if is_idle {
                0.0
            } else {
                (long / 0.4).min(plan.speed_m_s * 1.25)
            };
            return [d[0] / long.max(1e-3) * speed, d[1] / long.max(1e-3) * speed];
        }
    }
    let goal = along(way, w.progress + 0.9);
    let d = [goal[0] - w.at[0], goal[1] - w.at[1]];
    let long = d[0].hypot(d[1]).max(1e-3);
    [d[0] / long * plan.speed_m_s, d[1] / long * plan.speed_m_s]
}

/// Bends a wish round others: slows down behind, passes on the right, keeps off.
fn steer(plans: &[Plan], walkers: &[Walker], i: usize, wish: [f32; 2]) -> [f32; 2] {
    let w = &walkers[i];
    let speed = wish[0].hypot(wish[1]);
    if !w.is_here || speed < 1e-3 {
        return [0.0; 2];
    }
    let ahead = [wish[0] / speed, wish[1] / speed];
    let right = [ahead[1], -ahead[0]];
    let (mut aside, mut brake) = (0.0_f32, 1.0_f32);
    for (j, o) in walkers
        .iter()
        .enumerate()
        .filter(|(j, o)| *j != i && o.is_here)
    {
        let d = [o.at[0] - w.at[0], o.at[1] - w.at[1]];
        let dist = d[0].hypot(d[1]);
        if dist > 3.5 {
            continue;
        }
        let relative = [wish[0] - o.velocity[0], wish[1] - o.velocity[1]];
        let closing = (relative[0] * d[0] + relative[1] * d[1]) / dist.max(1e-3);
        let square = (relative[0] * relative[0] + relative[1] * relative[1]).max(1e-3);
        let soon = ((relative[0] * d[0] + relative[1] * d[1]) / square).clamp(0.0, 2.5);
        let near = [d[0] - relative[0] * soon, d[1] - relative[1] * soon];
        let miss = near[0].hypot(near[1]);
        let is_company = plans[i].follows.is_some_and(|(l, _)| l == j)
            || plans[j].follows.is_some_and(|(l, _)| l == i);
        let room = if is_company { 0.66 } else { 0.95 };
        if closing > 0.05 && miss < room {
            let lateral = d[0] * right[0] + d[1] * right[1];
            let urgency = (1.0 - soon / 2.5) * (1.0 - miss / room);
            // Somebody on my right: go left; head-on: both go right.
            let side = if lateral > 0.2 { -1.0 } else { 1.0 };
            aside += side * urgency * 1.3;
            let in_front = (d[0] * ahead[0] + d[1] * ahead[1]) / dist.max(1e-3);
            if in_front > 0.6 && dist < 1.3 {
                brake = brake.min(((dist - 0.66) / 0.64).clamp(0.05, 1.0));
            }
        }
    }
    let aside = aside.clamp(-0.75, 0.75);
    [
        (ahead[0] + right[0] * aside) * speed * brake,
        (ahead[1] + right[1] * aside) * speed * brake,
    ]
}

/// What steering could not do: nobody stands in anybody or in a wall.
fn separate(plans: &[Plan], walkers: &mut [Walker], place: &Place, floor: &Floor) {
    for _ in 0..6 {
        for i in 0..walkers.len() {
            for j in i + 1..walkers.len() {
                if !walkers[i].is_here || !walkers[j].is_here {
                    continue;
                }
                let d = [
                    walkers[j].at[0] - walkers[i].at[0],
                    walkers[j].at[1] - walkers[i].at[1],
                ];
                let dist = d[0].hypot(d[1]);
                if dist >= APART_M {
                    continue;
                }
                let n = if dist > 1e-4 {
                    [d[0] / dist, d[1] / dist]
                } else {
                    [1.0, 0.0]
                };
                let weight = |k: usize| if plans[k].seat.is_some() { 0.0 } else { 1.0 };
                let (a, b) = (weight(i), weight(j));
                let total = f32::max(a + b, 1e-3);
                let push = APART_M - dist;
                let (back, on) = (push * a / total, push * b / total);
                walkers[i].at = [
                    walkers[i].at[0] - n[0] * back,
                    walkers[i].at[1] - n[1] * back,
                ];
                walkers[j].at = [walkers[j].at[0] + n[0] * on, walkers[j].at[1] + n[1] * on];
            }
        }
        for (i, w) in walkers.iter_mut().enumerate() {
            if w.is_here
                && plans[i].seat.is_none()
                && let Some(push) = floor.push(place, w.at, FROM_WALL_M)
            {
                w.at = [w.at[0] + push[0], w.at[1] + push[1]];
            }
        }
    }
}

fn advance(plan: &Plan, w: &mut Walker, before: [f32; 2], tick_s: f32) {
    let moved = [w.at[0] - before[0], w.at[1] - before[1]];
    let long = moved[0].hypot(moved[1]);
    w.velocity = [
        w.velocity[0] * 0.5 + moved[0] / tick_s * 0.5,
        w.velocity[1] * 0.5 + moved[1] / tick_s * 0.5,
    ];
    let visit = &plan.visits[w.visit];
    let total = length(&visit.way);
    // Progress is the nearest point a little before or ahead of where it was.
    let mut best = (f32::MAX, w.progress);
    for k in -2..=10 {
        let at = (w.progress + k as f32 * 0.1).clamp(0.0, total);
        let d = far(along(&visit.way, at), w.at);
        if d < best.0 {
            best = (d, at);
        }
    }
    w.progress = best.1;
    let speed = long / tick_s;
    if speed > 0.12 {
        let wanted = moved[1].atan2(moved[0]);
        let turn = crate::math::wrap_angle(wanted - w.heading);
        let most = 2.2 * tick_s;
        w.heading = crate::math::wrap_angle(
            w.heading + (turn * (tick_s / 0.22).min(1.0)).clamp(-most, most),
        );
        w.walked += long * crate::math::wrap_angle(wanted - w.heading).cos().max(0.2);
    }
    w.slow = if speed > 0.28 { 0.0 } else { w.slow + tick_s };
    let goal = if w.slow > 0.12 || w.pause_left > 0.0 {
        0.0
    } else {
        1.0
    };
    w.stepping += (goal - w.stepping).clamp(-tick_s / 0.4, tick_s / 0.3);
    if w.pause_left > 0.0 {
        w.pause_left -= tick_s;
    } else if let Some((at, seconds)) = visit.pauses.get(w.paused)
        && w.progress >= *at
    {
        w.pause_left = *seconds;
        w.paused += 1;
    }
    if w.progress >= total - 0.35 {
        w.is_here = false;
        w.visit += 1;
        w.velocity = [0.0; 2];
    }
}
