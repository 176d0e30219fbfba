//! Who walks where and when: visits drawn by chance, then walked tick by tick without touching anybody.

use crate::dice::Dice;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::spec::Scene;
use crate::way::{Floor, length};

/// One stay of a person in the scene.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Enters at this time, seconds from the scene's start; may be before it.
    pub start_s: f32,
    /// The way.
    pub way: Vec<[f32; 2]>,
    /// Stops: distance along the way, seconds.
    pub pauses: Vec<(f32, f32)>,
}

/// What a person is going to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Stays, in order.
    pub visits: Vec<Visit>,
    /// Metres a second.
    pub speed_m_s: f32,
    /// Whether this one runs.
    pub is_running: bool,
    /// Walks with another: that one's number and how far to its left.
    pub follows: Option<(usize, f32)>,
    /// Sits here all the time, facing this way.
    pub seat: Option<([f32; 2], f32)>,
}

/// One person at one tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stand {
    /// On the plan, metres.
    pub at: [f32; 2],
    /// Radians.
    pub heading: f32,
    /// Distance walked so far.
    pub walked_m: f32,
    /// 0 standing to 1 walking.
    pub stepping: f32,
}

/// All ticks: `[tick][person]`, none while away.
pub type Steps = Vec<Vec<Option<Stand>>>;

/// Seconds walked before the first frame, so that the scene does not start empty.
pub const WARM_UP_S: f32 = 20.0;
/// Nobody comes nearer to anybody's centre than this.
pub const APART_M: f32 = 0.62;
/// Nor to a wall.
pub const FROM_WALL_M: f32 = 0.3;

/// Draws everybody's plan.
///
/// # Errors
/// Walls close the way between gates.
pub fn plan(scene: &Scene, place: &Place, floor: &Floor, seed: u64) -> Result<Vec<Plan>> {
    let mut benches: Vec<([f32; 2], f32)> = scene
        .furniture
        .iter()
        .filter(|f| f.kind == "bench")
        .map(|f| {
            // A bench's front is its +y before the turn.
            let heading = f.turn_deg.to_radians() + std::f32::consts::FRAC_PI_2;
            (
                [
                    f.at[0] + 0.12 * heading.cos(),
                    f.at[1] + 0.12 * heading.sin(),
                ],
                heading,
            )
        })
        .collect();
    let mut plans: Vec<Plan> = Vec::new();
    for number in 0..scene.people.count {
        let mut dice = Dice::new(&[seed, 0x9a, number as u64]);
        let speed = dice.range(scene.people.speed_m_s[0], scene.people.speed_m_s[1]);
        let mut plan = Plan {
            visits: Vec::new(),
            speed_m_s: speed,
            is_running: false,
            follows: None,
            seat: None,
        };
        if number < scene.people.sitting {
            plan.seat = Some(benches.remove(0));
            plans.push(plan);
            continue;
        }
        plan.is_running = dice.chance(scene.people.running);
        if plan.is_running {
            plan.speed_m_s = dice.range(2.4, 3.0);
        }
        let leader = plans
            .len()
            .checked_sub(1)
            .map(|last| plans[last].follows.map_or(last, |(leader, _)| leader));
        let size = leader.map_or(0, |l| {
            plans
                .iter()
                .filter(|p| p.follows.is_some_and(|(f, _)| f == l))
                .count()
        });
        if let Some(leader) = leader
            && plans[leader].seat.is_none()
            && !plans[leader].is_running
            && size < 2
            && dice.chance(scene.people.grouped)
        {
            plan.follows = Some((leader, if size == 0 { 0.75 } else { -0.75 }));
            plan.is_running = false;
            plan.speed_m_s = plans[leader].speed_m_s;
            plan.visits.clone_from(&plans[leader].visits);
            plans.push(plan);
            continue;
        }
        visits(scene, place, floor, number, &mut dice, &mut plan)?;
        plans.push(plan);
    }
    Ok(plans)
}

fn visits(
    scene: &Scene,
    place: &Place,
    floor: &Floor,
    number: usize,
    dice: &mut Dice,
    plan: &mut Plan,
) -> Result<()> {
    let gates = &scene.gates;
    let walkers = (scene.people.count - scene.people.sitting).max(1) as f32;
    let slot = (number - scene.people.sitting) as f32;
    // Entrances spread over the scene, the first ones before it starts.
    let span = WARM_UP_S * 0.9 + scene.duration_s * 0.62;
    let mut start = -WARM_UP_S * 0.9 + span * (slot + dice.range(0.0, 0.8)) / walkers;
    let mut gate = dice.below(gates.len());
    let rounds = if dice.chance(scene.people.returning) {
        2
    } else {
        1
    };
    for _ in 0..rounds {
        let mut stops = vec![gates[gate].at];
        for _ in 0..=dice.below(2) {
            for _ in 0..60 {
                let p = [
                    dice.range(0.1, 0.9) * scene.plan.size_m[0],
                    dice.range(0.1, 0.9) * scene.plan.size_m[1],
                ];
                if floor.is_free(p) && place.clearance(p) > 0.8 {
                    stops.push(p);
                    break;
                }
            }
        }
        let exit = (gate + 1 + dice.below(gates.len() - 1)) % gates.len();
        stops.push(gates[exit].at);
        let mut way: Vec<[f32; 2]> = Vec::new();
        for pair in stops.windows(2) {
            let part = floor.way(pair[0], pair[1]).ok_or_else(|| Error::NoWay {
                scene: scene.name.clone(),
                from_x: pair[0][0],
                from_y: pair[0][1],
                to_x: pair[1][0],
                to_y: pair[1][1],
            })?;
            way.extend(part.into_iter().skip(usize::from(!way.is_empty())));
        }
        let total = length(&way);
        let mut pauses = Vec::new();
        if dice.chance(scene.people.pausing) && !plan.is_running && total > 8.0 {
            pauses.push((dice.range(0.25, 0.75) * total, dice.range(2.0, 7.0)));
        }
        let stay = total / plan.speed_m_s + pauses.iter().map(|p| p.1).sum::<f32>();
        plan.visits.push(Visit {
            start_s: start,
            way,
            pauses,
        });
        start += stay + dice.range(4.0, 12.0);
        gate = exit;
    }
    Ok(())
}
