//! A report as one page that needs nothing else: numbers, who was seen where and when, and what was confused.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sightline_eval::calibration::Calibration;
use sightline_eval::tracking::Scores;
use sightline_sink::TrackId;

use super::{Evaluation, Stretch, TextSearch};
use crate::report::canvas::track_color;

const WIDTH_PX: f64 = 1000.0;
const LABEL_PX: f64 = 60.0;
const LANE_PX: f64 = 9.0;

const STYLE: &str = "body{font:14px system-ui,sans-serif;margin:24px;max-width:1080px;color:#222}\
table{border-collapse:collapse;margin:8px 0 20px}td,th{padding:3px 10px;border-bottom:1px solid #ddd;text-align:right}\
td:first-child,th:first-child{text-align:left}figure{display:inline-block;margin:6px 14px 6px 0;text-align:center}\
figcaption{font-size:12px;color:#555}img{height:128px;background:#000}svg{background:#fafafa;display:block;margin:4px 0 18px}";

/// Draws the page; `crop` gives the best picture of a track (JPEG).
#[must_use]
pub fn page(
    title: &str,
    evaluation: &Evaluation,
    cameras: &[String],
    crop: impl Fn(TrackId) -> Option<Vec<u8>>,
) -> String {
    let mut html = String::new();
    let title = escape(title);
    // Writing to a string cannot fail.
    let mut put = |text: &str| html.push_str(text);
    put(&format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style><h1>{title}</h1>"
    ));
    let counts = &evaluation.counts;
    put(&format!(
        "<p>{} people in the truth; {} tracks of {} persons with {} boxes. Hash over events, tracks, persons and scores: <code>{}</code></p>",
        counts.identities, counts.tracks, counts.persons, counts.boxes, evaluation.hash
    ));
    put("<h2>Scores</h2>");
    let mut rows = vec![
        ("persons, all cameras".to_owned(), &evaluation.persons),
        (
            "with perfect association".to_owned(),
            &evaluation.perfect_association,
        ),
        ("tracks, all cameras".to_owned(), &evaluation.tracking),
    ];
    rows.extend(
        evaluation
            .cameras
            .iter()
            .map(|(camera, scores)| (format!("tracks, {}", escape(camera)), scores)),
    );
    put(&scores(&rows));
    put("<h2>What was found</h2><table><tr><th>by<th>from<th>boxes<th>found</tr>");
    for share in &evaluation.found {
        put(&format!(
            "<tr><td>{}<td>{}<td>{}<td>{:.1}%</tr>",
            share.by,
            share.from,
            share.boxes,
            100.0 * share.found
        ));
    }
    put("</table>");
    if let Some(reid) = &evaluation.reid {
        put(&format!(
            "<h2>By looks alone</h2><p>A track asks for its person on other cameras: {} tracks, {} more whose person was on no other.</p>\
             <table><tr><th>rank-1<th>rank-5<th>rank-10<th>mAP<th>mINP</tr><tr>",
            reid.queries, reid.unanswerable
        ));
        for share in reid.cmc.values().chain([&reid.map, &reid.minp]) {
            put(&format!("<td>{share:.3}"));
        }
        put("</tr></table>");
    }
    if let Some(joins) = &evaluation.joins {
        put(&format!(
            "<h2>Joins</h2><p>{} joins, {:.1}% right; expected calibration error {:.3}. {} more of which it is not known who they show.</p>",
            joins.joins,
            100.0 * joins.right,
            joins.calibration.expected_error,
            joins.left_out
        ));
        put(&reliability("joins", &joins.calibration));
    }
    if let Some(text) = &evaluation.text {
        put(&sentences(text, &crop));
    }
    put(
        "<h2>Who was seen when</h2><p>Colour: the identity in the truth, grey for none. Number: the person it was taken for.</p>",
    );
    for (index, camera) in cameras.iter().enumerate() {
        put(&format!("<h3>{}</h3>", escape(camera)));
        put(&timeline(index, &evaluation.stretches));
    }
    put("<h2>Confusions</h2>");
    if evaluation.confusions.is_empty() {
        put("<p>None.</p>");
    }
    for confusion in &evaluation.confusions {
        let words = match confusion.kind {
            "merged" => "two people taken for one",
            _ => "one person taken for two",
        };
        put(&format!(
            "<p><b>{words}</b>, {} frames<br>",
            confusion.frames
        ));
        for side in 0..2 {
            let caption = format!(
                "{}, identity {}<br>track {}",
                escape(&confusion.cameras[side]),
                confusion.identities[side],
                confusion.tracks[side]
            );
            put(&figure(crop(confusion.tracks[side]), &caption));
        }
        put("</p>");
    }
    html
}

/// What was said and what was so, in bins.
fn reliability(what: &str, calibration: &Calibration) -> String {
    let mut html = format!("<table><tr><th>said<th>right<th>{what}</tr>");
    for bin in &calibration.bins {
        html.push_str(&format!(
            "<tr><td>{:.0}%<td>{:.0}%<td>{}</tr>",
            100.0 * bin.confidence,
            100.0 * bin.accuracy,
            bin.count
        ));
    }
    html.push_str("</table>");
    html
}

fn sentences(text: &TextSearch, crop: &impl Fn(TrackId) -> Option<Vec<u8>>) -> String {
    let mut html = format!(
        "<h2>Sentences</h2><p>{} about somebody who was seen, {} about people whom no track shows, {} about nobody.",
        text.sentences, text.unanswerable, text.absent
    );
    if let Some(share) = text.false_alarms {
        html.push_str(&format!(
            " Of those about nobody {:.1}% find somebody who is called likely{}.",
            100.0 * share,
            interval(text.false_alarms_interval)
        ));
    }
    html.push_str("</p><table><tr><th>hits<th>R@1<th>R@5<th>R@10</tr>");
    for (what, recall) in [("persons", &text.persons), ("tracks", &text.tracks)] {
        html.push_str(&format!(
            "<tr><td>{what}<td>{:.3}{}<td>{:.3}<td>{:.3}</tr>",
            recall.r1,
            interval(Some(recall.r1_interval)),
            recall.r5,
            recall.r10
        ));
    }
    html.push_str("</table>");
    if let Some(hits) = &text.hits {
        html.push_str(&format!(
            "<p>Probabilities of the first ten persons: expected calibration error {:.3}.</p>",
            hits.expected_error
        ));
        html.push_str(&reliability("hits", hits));
    }
    for miss in &text.misses {
        let rank = miss
            .rank
            .map_or_else(|| "not found".to_owned(), |rank| format!("at place {rank}"));
        html.push_str(&format!("<p><b>{}</b> {rank}<br>", escape(&miss.text)));
        if let Some(found) = miss.found {
            html.push_str(&figure(crop(found), "first"));
        }
        html.push_str(&figure(crop(miss.right), "right"));
        html.push_str("</p>");
    }
    for alarm in &text.alarms {
        html.push_str(&format!("<p><b>{}</b> is nobody<br>", escape(&alarm.text)));
        let caption = format!("called likely: {:.0}%", 100.0 * alarm.probability);
        html.push_str(&figure(crop(alarm.found), &caption));
        html.push_str("</p>");
    }
    html
}

/// The 95% interval of a share, in words.
fn interval(interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(String::new, |[least, most]| {
        format!(" ({:.0}% to {:.0}%)", 100.0 * least, 100.0 * most)
    })
}

/// A crop with words under it, which are HTML.
fn figure(jpeg: Option<Vec<u8>>, caption: &str) -> String {
    let picture = jpeg.map_or_else(String::new, |jpeg| {
        format!(
            "<img alt=\"\" src=\"data:image/jpeg;base64,{}\">",
            STANDARD.encode(jpeg)
        )
    });
    format!("<figure>{picture}<figcaption>{caption}</figcaption></figure>")
}

fn scores(rows: &[(String, &Scores)]) -> String {
    let mut html = String::from("<table><tr><th>");
    for name in [
        "IDF1",
        "IDP",
        "IDR",
        "HOTA",
        "DetA",
        "AssA",
        "LocA",
        "MOTA",
        "switches",
        "fragments",
    ] {
        html.push_str("<th>");
        html.push_str(name);
    }
    html.push_str("</tr>");
    for (name, s) in rows {
        html.push_str(&format!("<tr><td>{name}"));
        for share in [s.idf1, s.idp, s.idr, s.hota, s.deta, s.assa, s.loca, s.mota] {
            html.push_str(&format!("<td>{share:.3}"));
        }
        html.push_str(&format!("<td>{}<td>{}</tr>", s.id_switches, s.fragments));
    }
    html.push_str("</table>");
    html
}

/// One camera: each track a bar in the first lane that is free.
fn timeline(camera: usize, stretches: &[Stretch]) -> String {
    let last = stretches
        .iter()
        .map(|stretch| stretch.frames[1])
        .max()
        .unwrap_or(1)
        .max(1);
    let x = |frame: u64| LABEL_PX + (WIDTH_PX - LABEL_PX) * frame as f64 / last as f64;
    let mut lanes: Vec<u64> = Vec::new();
    let mut bars = String::new();
    for stretch in stretches.iter().filter(|stretch| stretch.camera == camera) {
        let [from, to] = stretch.frames;
        let lane = lanes.iter().position(|end| *end < from).unwrap_or_else(|| {
            lanes.push(0);
            lanes.len() - 1
        });
        lanes[lane] = to;
        let color = stretch.identity.map_or([160; 3], |identity| {
            track_color(usize::try_from(identity).unwrap_or(0))
        });
        let top = 4.0 + lane as f64 * (LANE_PX + 4.0);
        // A string takes everything.
        write!(
            bars,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{LANE_PX}\" fill=\"rgb({},{},{})\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"8\">{}</text>",
            x(from),
            (x(to) - x(from)).max(1.5),
            color[0],
            color[1],
            color[2],
            x(from) + 1.0,
            top + LANE_PX - 1.5,
            stretch.person % (1 << 40)
        )
        .unwrap_or_default();
    }
    let height = 8.0 + lanes.len() as f64 * (LANE_PX + 4.0);
    format!("<svg width=\"{WIDTH_PX}\" height=\"{height}\">{bars}</svg>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
