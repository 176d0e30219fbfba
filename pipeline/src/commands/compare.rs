//! `sightline eval compare`: two reports of `replay --eval` side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use serde_json::Value;

use crate::cli::{CompareArgs, stdout};

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Comparison {
    /// Whether events, tracks, persons and scores are the same.
    same_hash: bool,
    /// Numbers that are the same in both.
    equal: usize,
    measures: Vec<Measure>,
}

/// A number of one report, of the other, or of both.
#[derive(Debug, PartialEq, Serialize)]
struct Measure {
    /// Its path, as gates name it.
    name: String,
    one: Option<f64>,
    other: Option<f64>,
    /// The other less the one; none where one of them lacks it.
    difference: Option<f64>,
}

/// Compares, and prints.
///
/// # Errors
/// A file that is no report.
pub fn run(args: &CompareArgs) -> Result<()> {
    let comparison = compare(&read(&args.one)?, &read(&args.other)?, args.all);
    if args.json {
        return Ok(stdout().json(&comparison)?);
    }
    let mut table = Table::new();
    *table.style_mut() = UTF8_HORIZONTAL_ONLY;
    table.set_header([
        "",
        &args.one.display().to_string(),
        &args.other.display().to_string(),
        "difference",
    ]);
    let words = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    for measure in &comparison.measures {
        table.add_row([
            measure.name.escape_debug().to_string(),
            words(measure.one),
            words(measure.other),
            measure.difference.map_or_else(String::new, |value| {
                let sign = if value > 0.0 { "+" } else { "" };
                format!("{sign}{}", number(value))
            }),
        ]);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = stdout();
    if !comparison.measures.is_empty() {
        writeln!(out, "{table}")?;
    }
    let same = if comparison.same_hash {
        "events, tracks, persons and scores are the same"
    } else {
        "events, tracks, persons or scores differ"
    };
    writeln!(out, "{same}; {} numbers are equal", comparison.equal)?;
    Ok(out.finish()?)
}

fn read(path: &Path) -> Result<Value> {
    let text = fs_err::read_to_string(path)?;
    let report: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is no JSON, expected a report.json", path.display()))?;
    ensure!(
        report["hash"].is_string() && report["persons"].is_object(),
        "{} is no report of `sightline replay --eval`",
        path.display()
    );
    Ok(report)
}

fn compare(one: &Value, other: &Value, all: bool) -> Comparison {
    let same_hash = one["hash"] == other["hash"];
    let (mut of_one, mut of_other) = (BTreeMap::new(), BTreeMap::new());
    numbers("", one, &mut of_one);
    numbers("", other, &mut of_other);
    let names: BTreeSet<&String> = of_one.keys().chain(of_other.keys()).collect();
    let (mut equal, mut measures) = (0, Vec::new());
    for name in names {
        let (one, other) = (of_one.get(name).copied(), of_other.get(name).copied());
        let is_equal = one == other;
        equal += usize::from(is_equal);
        if all || !is_equal {
            measures.push(Measure {
                name: name.clone(),
                one,
                other,
                difference: one.zip(other).map(|(one, other)| other - one),
            });
        }
    }
    Comparison {
        same_hash,
        equal,
        measures,
    }
}

/// Every number by its path. Of lists only what was found by height, crowd and light: places in the others mean nothing.
fn numbers(path: &str, value: &Value, into: &mut BTreeMap<String, f64>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Number(number) => {
            into.extend(number.as_f64().map(|number| (path.to_owned(), number)));
        }
        Value::Object(fields) => {
            for (key, value) in fields {
                numbers(&below(key), value, into);
            }
        }
        Value::Array(shares) if path == "found" => {
            for share in shares {
                let (Some(by), Some(found)) = (share["by"].as_str(), share["found"].as_f64())
                else {
                    continue;
                };
                into.insert(below(&format!("{by}.{}", share["from"])), found);
            }
        }
        _ => {}
    }
}

/// Counts as they are, shares with four digits.
fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() >= 2.0 {
        format!("{value}")
    } else {
        format!("{value:.4}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_told_with_both_numbers() {
        let one = json!({ "hash": "a", "persons": { "idf1": 0.5, "id_switches": 3 }, "confusions": [{ "frames": 9 }],
            "found": [{ "by": "light", "from": 40.0, "boxes": 7, "found": 0.25 }] });
        let other = json!({ "hash": "b", "persons": { "idf1": 0.75, "id_switches": 3 }, "confusions": [{ "frames": 8 }],
            "found": [{ "by": "light", "from": 40.0, "boxes": 7, "found": 0.5 }], "text": { "r1": 1.0 } });
        let compared = compare(&one, &other, false);
        assert!(!compared.same_hash);
        assert_eq!(compared.equal, 1);
        let rows: Vec<_> = compared
            .measures
            .iter()
            .map(|it| (it.name.as_str(), it.one, it.other, it.difference))
            .collect();
        assert_eq!(
            rows,
            [
                ("found.light.40.0", Some(0.25), Some(0.5), Some(0.25)),
                ("persons.idf1", Some(0.5), Some(0.75), Some(0.25)),
                ("text.r1", None, Some(1.0), None),
            ]
        );
        assert_eq!(compare(&one, &one, true).measures.len(), 3);
        assert_eq!((number(3.0), number(0.25)), ("3".into(), "0.2500".into()));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        for (text, words) in [("{", "no JSON"), ("{\"hash\": 1}", "no report")] {
            fs_err::write(&path, text).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains(words));
        }
    }
}
