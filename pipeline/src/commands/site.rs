//! `sightline site learn`: the ways between cameras, from the joins that association is sure of.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;
use sightline_sink::persons::WalkingTime;

use super::answering::Answering;
use crate::cli::{SiteArgs, SiteCommand, SiteLearnArgs, stdout};
use crate::report::ways::{DrawnWay, draw};

/// Share of joins with the person on both cameras at once, from which on the views are said to overlap.
const OVERLAPPING: f64 = 0.2;

/// Longest walk that is proposed where some took longer than is counted, seconds.
const LONGEST_S: f64 = 4096.0;

/// Does what `sightline site` says.
///
/// # Errors
/// What went wrong, where and what to do.
pub fn run(args: &SiteArgs) -> Result<()> {
    match &args.command {
        SiteCommand::Learn(args) => learn(args),
    }
}

/// A way as it is proposed, both directions together.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Proposal {
    between: [String; 2],
    /// Joins that it rests on.
    joins: f64,
    overlaps: bool,
    /// Least and most seconds that the walk usually takes.
    seconds: [f64; 2],
    /// Half of the joins took at most so many seconds; none beyond what is counted.
    half_within_s: Option<f64>,
    /// Where on each camera most of those are heading who go by the way: left, top, right, bottom as shares of the picture.
    zones: [Option<[f32; 4]>; 2],
    /// Whether there are joins enough.
    is_proposed: bool,
}

fn learn(args: &SiteLearnArgs) -> Result<()> {
    let asked = Answering::open(&args.access, None)?;
    let ways = proposals(&asked.site()?.ways, f64::from(args.joins));
    if let Some(path) = &args.png {
        let drawn: Vec<DrawnWay> = ways
            .iter()
            .map(|way| DrawnWay {
                between: way.between.clone(),
                words: words(way),
                ends: way.zones.map(|zone| zone.map(side)),
                overlaps: way.overlaps,
                is_sure: way.is_proposed,
            })
            .collect();
        draw(&drawn, &asked.map()).write_png(path)?;
    }
    let mut out = stdout();
    if args.json {
        out.json(&ways)?;
        return Ok(());
    }
    write!(out, "{}", as_toml(&ways))?;
    if let Some(path) = &args.png {
        writeln!(out, "# picture: {}", path.display())?;
    }
    Ok(out.finish()?)
}

/// Both directions of each pair of cameras as one way, most joins first.
fn proposals(learned: &[WalkingTime], least_joins: f64) -> Vec<Proposal> {
    let mut pairs: BTreeMap<[&str; 2], Vec<&WalkingTime>> = BTreeMap::new();
    for way in learned.iter().filter(|way| way.left != way.entered) {
        let mut pair = [way.left.as_str(), way.entered.as_str()];
        pair.sort_unstable();
        pairs.entry(pair).or_default().push(way);
    }
    let mut ways: Vec<Proposal> = pairs
        .into_iter()
        .map(|(between, ways)| {
            let joins: f64 = ways.iter().map(|way| way.joins).sum();
            let at_once: f64 = ways.iter().map(|way| way.at_once * way.joins).sum();
            let least = ways.iter().map(|way| way.at_least_s.unwrap_or(0.0));
            let most = ways.iter().map(|way| way.at_most_s[2].unwrap_or(LONGEST_S));
            let most = most.fold(0.0, f64::max);
            let busiest = ways.iter().max_by(|a, b| a.joins.total_cmp(&b.joins));
            let zones = busiest.map_or([None; 2], |way| {
                let zones = [way.leave_by, way.enter_by];
                let [a, b] = zones;
                if way.left == between[0] {
                    zones
                } else {
                    [b, a]
                }
            });
            Proposal {
                between: between.map(str::to_owned),
                joins,
                overlaps: at_once > OVERLAPPING * joins,
                seconds: [least.fold(most, f64::min).max(0.0), most],
                half_within_s: busiest.and_then(|way| way.at_most_s[1]),
                zones,
                is_proposed: joins >= least_joins,
            }
        })
        .collect();
    ways.sort_by(|a, b| b.joins.total_cmp(&a.joins));
    ways
}

fn words(way: &Proposal) -> String {
    let half = way.half_within_s.map_or_else(
        || "half of them take longer than is counted".to_owned(),
        |seconds| match seconds {
            ..=0.0 => "half of them on both at once".to_owned(),
            _ => format!("half within {seconds:.0} s"),
        },
    );
    format!("{:.0} joins, {half}", way.joins)
}

/// With where it goes out of the two pictures.
fn words_and_sides(way: &Proposal) -> String {
    let mut words = words(way);
    for (camera, zone) in way.between.iter().zip(way.zones) {
        if let Some(zone) = zone {
            words += &format!(", {camera} {}", side(zone));
        }
    }
    words
}

/// Where a part of a picture lies.
fn side([left, top, right, bottom]: [f32; 4]) -> String {
    let of = |from: f32, to: f32, names: [&'static str; 2]| match (from + to) / 2.0 {
        ..=0.34 => Some(names[0]),
        middle if middle >= 0.66 => Some(names[1]),
        _ => None,
    };
    let across = of(left, right, ["left", "right"]);
    let down = of(top, bottom, ["top", "bottom"]);
    let sides: Vec<&str> = down.into_iter().chain(across).collect();
    if sides.is_empty() {
        "by the middle".to_owned()
    } else {
        format!("by the {}", sides.join(" "))
    }
}

/// The ways as a part of a configuration.
fn as_toml(ways: &[Proposal]) -> String {
    let (proposed, others): (Vec<_>, Vec<_>) = ways.iter().partition(|way| way.is_proposed);
    let mut text = String::new();
    if proposed.is_empty() {
        text += "# No way between two cameras has joins enough yet.\n";
    } else {
        text += "# Learned from the joins that association is sure of. Cameras without a way between them are not\n\
                 # neighbours any more: add the ways that nobody took yet, put this in place of the ways and zones that\n\
                 # are there, then run `sightline check`.\n";
    }
    let mut zones: BTreeMap<&str, Vec<(String, [f32; 4])>> = BTreeMap::new();
    for way in &proposed {
        let [a, b] = &way.between;
        text += &format!(
            "\n# {}\n[[map.ways]]\nbetween = [{a:?}, {b:?}]\noverlaps = {}\nseconds = [{:.0}, {:.0}]\n",
            words_and_sides(way),
            way.overlaps,
            way.seconds[0],
            way.seconds[1].max(1.0)
        );
        if let [Some(of_a), Some(of_b)] = way.zones {
            let names = [b, a].map(|other| format!("to-{other}"));
            text += &format!("zones = {names:?}\n");
            for (camera, (name, zone)) in
                way.between.iter().zip(names.into_iter().zip([of_a, of_b]))
            {
                zones.entry(camera).or_default().push((name, zone));
            }
        }
    }
    for (camera, zones) in zones {
        text += &format!("\n[map.cameras.{camera:?}.zones]\n");
        for (name, [left, top, right, bottom]) in zones {
            text += &format!(
                "{name:?} = [[{left}, {top}], [{right}, {top}], [{right}, {bottom}], [{left}, {bottom}]]\n"
            );
        }
    }
    for way in others {
        let [a, b] = &way.between;
        text += &format!("\n# {a} and {b}: {}; too few\n", words_and_sides(way));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(left: &str, entered: &str, joins: f64, at_once: f64) -> WalkingTime {
        WalkingTime {
            left: left.into(),
            entered: entered.into(),
            joins,
            at_once,
            at_least_s: Some(4.0),
            at_most_s: [Some(8.0), Some(16.0), Some(32.0)],
            leave_by: Some([0.0, 0.65, 0.35, 1.0]),
            enter_by: (left == "a").then_some([0.65, 0.35, 1.0, 0.65]),
        }
    }

    #[test]
    fn both_directions_become_one_way_that_a_configuration_takes() {
        let mut back = way("b", "a", 2.0, 0.0);
        back.at_least_s = None;
        back.at_most_s = [Some(0.0), Some(2.0), None];
        let learned = [
            way("a", "b", 6.0, 0.1),
            back,
            way("a", "c", 1.0, 1.0),
            way("a", "a", 9.0, 0.0),
        ];
        let ways = proposals(&learned, 5.0);
        assert_eq!(ways.len(), 2);
        assert_eq!(ways[0].between, ["a".to_owned(), "b".to_owned()]);
        assert_eq!((ways[0].joins, ways[0].seconds), (8.0, [0.0, LONGEST_S]));
        assert!(ways[0].is_proposed && !ways[0].overlaps);
        assert!(!ways[1].is_proposed && ways[1].overlaps);
        let text = as_toml(&ways);
        let read: toml::Value = toml::from_str(&text).unwrap();
        let listed = read["map"]["ways"].as_array().unwrap();
        assert_eq!(listed.len(), 1);
        let map: crate::config::MapConfig = read["map"].clone().try_into().unwrap();
        assert!(map.to_site_map().check().is_ok(), "{text}");
        assert!(text.contains("# a and c: 1 joins"), "{text}");
        assert!(
            text.contains("a by the bottom left, b by the right"),
            "{text}"
        );
        assert_eq!(map.ways[0].zones.as_ref().unwrap()[0].as_str(), "to-b");
        assert_eq!(map.cameras["b"].zones["to-a"].corners()[2], [1.0, 0.65]);
    }

    #[test]
    fn a_site_that_taught_nothing_says_so() {
        assert!(as_toml(&proposals(&[], 5.0)).contains("No way"));
    }
}
