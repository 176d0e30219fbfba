//! Places drawn by chance: a street, a square, a park path, a hall, each with its clutter.

use crate::dice::Dice;
use crate::form::Form;
use crate::light::Weather;
use crate::math::V3;
use crate::place::{Patch, Place, Solid};
use crate::texture::{Finish, Surface};

fn paint(dice: &mut Dice, finish: Finish, rgb: [f32; 3]) -> Surface {
    let k = dice.range(0.85, 1.15);
    let tinted = rgb.map(|c| (c * k + dice.normal(0.0, 4.0)).clamp(10.0, 245.0));
    Surface::new(finish, tinted, dice.range(0.0, 90.0))
}

/// A place round the origin; the first `free_m` metres stay clear of clutter.
#[must_use]
pub fn draw(dice: &mut Dice, weather: Weather, free_m: f32) -> Place {
    let is_inside = weather == Weather::Indoor;
    let sun = dice.range(0.0, std::f32::consts::TAU);
    let ground = if is_inside {
        paint(dice, Finish::Tiles, [150.0, 146.0, 140.0])
    } else {
        match dice.below(4) {
            0 => paint(dice, Finish::Grass, [86.0, 104.0, 52.0]),
            1 => paint(dice, Finish::Asphalt, [104.0, 104.0, 106.0]),
            2 => paint(dice, Finish::Paving, [146.0, 142.0, 134.0]),
            _ => paint(dice, Finish::Paving, [128.0, 116.0, 108.0]),
        }
    };
    let mut place = Place {
        ground,
        patches: Vec::new(),
        solids: Vec::new(),
        horizon: horizon(weather),
        light: weather.light(sun),
    };
    ways(dice, &mut place, is_inside);
    walls(dice, &mut place, is_inside, free_m);
    let count = 4 + dice.below(7);
    for _ in 0..count {
        let (angle, far) = (
            dice.range(0.0, std::f32::consts::TAU),
            dice.range(free_m + 0.8, free_m + 14.0),
        );
        let at = [far * angle.cos(), far * angle.sin()];
        clutter(dice, &mut place, at, is_inside);
    }
    place
}

/// The light at the horizon, linear and exposed.
#[must_use]
pub fn horizon(weather: Weather) -> V3 {
    match weather {
        Weather::Sunny => [0.62, 0.72, 0.84],
        Weather::Cloudy => [0.72, 0.75, 0.78],
        Weather::Warm => [0.78, 0.66, 0.54],
        Weather::Indoor => [0.42, 0.41, 0.38],
        Weather::Night => [0.03, 0.03, 0.05],
    }
}

fn ways(dice: &mut Dice, place: &mut Place, is_inside: bool) {
    if is_inside {
        return;
    }
    let turn = dice.range(0.0, std::f32::consts::PI);
    let (s, c) = turn.sin_cos();
    let off = dice.range(-4.0, 4.0);
    let road = paint(dice, Finish::Asphalt, [92.0, 92.0, 95.0]);
    let width = dice.range(1.5, 5.0);
    let mut strip = |across: f32, half: f32, surface: Surface| {
        place.patches.push(Patch {
            centre: [-s * (off + across), c * (off + across)],
            half: [80.0, half],
            turn,
            surface,
        });
    };
    strip(0.0, width, road);
    if dice.chance(0.6) {
        let curb = paint(dice, Finish::Concrete, [168.0, 166.0, 160.0]);
        strip(width + 0.1, 0.1, curb);
        strip(-width - 0.1, 0.1, curb);
    }
    if dice.chance(0.5) {
        let line = Surface::new(Finish::Paint, [214.0, 212.0, 200.0], 1.0);
        strip(dice.range(-width * 0.8, width * 0.8), 0.06, line);
    }
    if dice.chance(0.4) {
        let lawn = paint(dice, Finish::Grass, [80.0, 100.0, 48.0]);
        strip(width + dice.range(4.0, 9.0), 3.5, lawn);
    }
}

fn walls(dice: &mut Dice, place: &mut Place, is_inside: bool, free_m: f32) {
    let count = if is_inside { 3 } else { 1 + dice.below(3) };
    for _ in 0..count {
        let angle = dice.range(0.0, std::f32::consts::TAU);
        let far = dice.range(free_m + 3.0, free_m + 16.0);
        let (finish, rgb) = if is_inside {
            *dice.pick(&[
                (Finish::Paint, [196.0, 192.0, 184.0]),
                (Finish::Concrete, [150.0, 150.0, 150.0]),
                (Finish::Wood, [128.0, 92.0, 60.0]),
            ])
        } else {
            *dice.pick(&[
                (Finish::Brick, [136.0, 82.0, 62.0]),
                (Finish::Windows, [186.0, 178.0, 164.0]),
                (Finish::Windows, [140.0, 120.0, 104.0]),
                (Finish::Concrete, [150.0, 150.0, 148.0]),
                (Finish::Paint, [190.0, 184.0, 170.0]),
            ])
        };
        let surface = paint(dice, finish, rgb);
        let height = dice.range(2.0, 6.0);
        let form = Form::Box {
            centre: [far * angle.cos(), far * angle.sin(), height],
            half: [dice.range(0.3, 3.0), dice.range(5.0, 22.0), height],
            turn: angle + dice.range(-0.2, 0.2),
        };
        if form.distance([0.0, 0.0]) > free_m + 1.0 {
            place.solids.push(Solid {
                form,
                surface,
                blocks: true,
            });
        }
    }
}

/// One piece of street furniture at a spot of the plan.
pub fn clutter(dice: &mut Dice, place: &mut Place, at: [f32; 2], is_inside: bool) {
    let turn = dice.range(0.0, std::f32::consts::PI);
    let kind = if is_inside {
        *dice.pick(&["bin", "bench", "box", "pillar", "sign"])
    } else {
        *dice.pick(&[
            "pole", "tree", "bin", "bench", "car", "car", "hedge", "sign", "bollard",
        ])
    };
    put(dice, place, kind, at, turn);
}

/// A piece of furniture by name: `pole`, `tree`, `bin`, `bench`, `car`, `hedge`, `sign`, `bollard`, `pillar`, `box`; unknown names put a box.
pub fn put(dice: &mut Dice, place: &mut Place, kind: &str, at: [f32; 2], turn: f32) {
    let (s, c) = turn.sin_cos();
    let mut add = |form: Form, surface: Surface, blocks: bool| {
        place.solids.push(Solid {
            form,
            surface,
            blocks,
        });
    };
    let block = |local: V3, half: V3| Form::Box {
        centre: [
            at[0] + local[0] * c - local[1] * s,
            at[1] + local[0] * s + local[1] * c,
            local[2],
        ],
        half,
        turn,
    };
    let post = |radius: f32, height: f32| Form::Cylinder {
        foot: [at[0], at[1], 0.0],
        radius,
        height,
    };
    match kind {
        "pole" => add(
            post(0.06, dice.range(3.0, 6.0)),
            paint(dice, Finish::Paint, [120.0, 124.0, 126.0]),
            true,
        ),
        "pillar" => add(
            post(0.25, 4.0),
            paint(dice, Finish::Concrete, [170.0, 168.0, 164.0]),
            true,
        ),
        "bollard" => add(
            post(0.09, 0.95),
            paint(dice, Finish::Paint, [60.0, 62.0, 64.0]),
            true,
        ),
        "bin" => {
            let rgb = *dice.pick(&[[60.0, 84.0, 60.0], [70.0, 72.0, 76.0], [120.0, 60.0, 30.0]]);
            add(post(0.28, 1.0), paint(dice, Finish::Paint, rgb), true);
        }
        "tree" => {
            add(
                post(dice.range(0.12, 0.22), 3.0),
                paint(dice, Finish::Wood, [84.0, 68.0, 52.0]),
                true,
            );
            let crown = dice.range(1.2, 2.2);
            let leaves = paint(dice, Finish::Foliage, [62.0, 92.0, 40.0]);
            add(
                Form::Ball {
                    centre: [at[0], at[1], 3.0 + crown * 0.6],
                    half: [crown, crown, crown * 0.9],
                },
                leaves,
                false,
            );
        }
        "bench" => {
            let wood = paint(dice, Finish::Wood, [120.0, 88.0, 58.0]);
            add(block([0.0, 0.0, 0.41], [0.85, 0.24, 0.035]), wood, true);
            add(block([0.0, -0.26, 0.68], [0.85, 0.03, 0.18]), wood, false);
            add(block([-0.7, 0.0, 0.19], [0.04, 0.2, 0.19]), wood, false);
            add(block([0.7, 0.0, 0.19], [0.04, 0.2, 0.19]), wood, false);
        }
        "car" => {
            let rgb = *dice.pick(&[
                [40.0, 42.0, 46.0],
                [190.0, 192.0, 194.0],
                [120.0, 124.0, 130.0],
                [120.0, 30.0, 30.0],
                [36.0, 54.0, 100.0],
                [226.0, 226.0, 224.0],
            ]);
            let body = paint(dice, Finish::Paint, rgb);
            let glass = Surface::new(Finish::Paint, [40.0, 46.0, 54.0], 2.0);
            let tyre = Surface::new(Finish::Paint, [22.0, 22.0, 23.0], 3.0);
            add(block([0.0, 0.0, 0.56], [2.1, 0.88, 0.32]), body, true);
            add(block([-0.2, 0.0, 1.1], [1.15, 0.78, 0.24]), glass, false);
            add(block([-0.2, 0.0, 1.38], [1.05, 0.76, 0.05]), body, false);
            for (x, y) in [(1.35, 0.82), (1.35, -0.82), (-1.35, 0.82), (-1.35, -0.82)] {
                add(block([x, y, 0.3], [0.3, 0.1, 0.3]), tyre, false);
            }
        }
        "hedge" => {
            let leaves = paint(dice, Finish::Foliage, [54.0, 84.0, 38.0]);
            add(
                block([0.0, 0.0, 0.5], [dice.range(1.0, 3.0), 0.4, 0.5]),
                leaves,
                true,
            );
        }
        "sign" => {
            add(
                post(0.035, 2.3),
                Surface::new(Finish::Paint, [150.0, 152.0, 154.0], 4.0),
                true,
            );
            let rgb = *dice.pick(&[
                [40.0, 90.0, 160.0],
                [200.0, 60.0, 40.0],
                [230.0, 230.0, 226.0],
                [40.0, 130.0, 120.0],
            ]);
            add(
                block([0.0, 0.03, 2.0], [0.3, 0.015, 0.35]),
                paint(dice, Finish::Paint, rgb),
                false,
            );
        }
        _ => add(
            block([0.0, 0.0, 0.5], [0.4, 0.4, 0.5]),
            paint(dice, Finish::Paint, [170.0, 140.0, 100.0]),
            true,
        ),
    }
}
