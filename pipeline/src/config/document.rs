//! A TOML file held against a JSON Schema: every fault found, everything sound kept.
//!
//! The schema comes from the types that the values are read into, so types, documentation and
//! checks cannot drift apart. What is faulty is reported and left out, and the rest is read on.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expand::{ExpandFault, expand};
use super::fault::{Fault, KeyPath, nearest, one_of, shown, shown_value};
use super::schema::Rule;

/// What was sound in a file, and where everything stood.
pub(super) struct Document {
    /// The sound values.
    pub(super) value: Value,
    lines: BTreeMap<KeyPath, usize>,
    faulty: BTreeSet<KeyPath>,
    pub(super) faults: Vec<Fault>,
}

impl Document {
    /// The line of a key, or of the nearest table around it.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        (0..path.steps().len())
            .rev()
            .map(|last| {
                KeyPath::of(
                    &path.steps()[..=last]
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>(),
                )
            })
            .find_map(|path| self.lines.get(&path).copied())
    }

    /// Whether the file says anything about this key.
    pub(super) fn has(&self, path: &KeyPath) -> bool {
        self.lines.contains_key(path)
    }

    /// Adds a fault that shows in the values' meaning, unless the key was found faulty before.
    pub(super) fn blame(&mut self, path: &KeyPath, fault: Blame<'_>) {
        if !self.faulty.insert(path.clone()) {
            return;
        }
        let line = self.line(path);
        self.faults.push(Fault {
            line,
            key: path.to_string(),
            value: fault.value.map(|value| shown_value(path, value)),
            problem: format!("{}{}", path.subject(), fault.problem),
            expected: fault.expected,
            hint: fault.hint,
        });
    }
}

/// The particulars of a fault.
#[derive(Default)]
pub(super) struct Blame<'a> {
    pub(super) value: Option<&'a str>,
    pub(super) problem: String,
    pub(super) expected: Option<String>,
    pub(super) hint: Option<String>,
}

/// What a reading needs to know besides the text.
pub(super) struct Reading<'a> {
    pub(super) rule: Rule<'a>,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Keys whose variables stay as they are, since nobody will use the value.
    pub(super) is_unused: &'a dyn Fn(&KeyPath) -> bool,
}

/// Reads `text`; faults of syntax come alone, since the rest cannot be trusted then.
pub(super) fn read(text: &str, reading: &Reading<'_>) -> Document {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut document = Document {
        value: Value::Object(Map::new()),
        lines: BTreeMap::new(),
        faulty: BTreeSet::new(),
        faults: Vec::new(),
    };
    if !errors.is_empty() {
        for error in errors {
            document.faults.push(Fault {
                line: error.span().map(|span| line_of(text, &span)),
                key: String::new(),
                value: None,
                problem: format!("not TOML: {}", shown(error.message())),
                expected: None,
                hint: Some("other faults are looked for once the file can be read".into()),
            });
        }
        document.faults.dedup_by(|a, b| a.line == b.line);
        return document;
    }
    let mut walk = Walk {
        text,
        reading,
        document: &mut document,
    };
    let value = walk.table(table.get_ref(), &reading.rule, &KeyPath::default());
    document.value = value;
    document
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.bytes()
        .take(span.start)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

struct Walk<'w, 'a> {
    text: &'w str,
    reading: &'w Reading<'a>,
    document: &'w mut Document,
}

impl Walk<'_, '_> {
    fn table(&mut self, table: &DeTable<'_>, rule: &Rule<'_>, path: &KeyPath) -> Value {
        let mut sound = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let here = path.join(name);
            self.document
                .lines
                .insert(here.clone(), line_of(self.text, &key.span()));
            let Some(inner) = rule.member(name) else {
                self.unknown_key(&here, rule);
                continue;
            };
            if let (false, Err(problem)) = (rule.has_member(name), super::values::Name::parse(name))
            {
                self.document.blame(
                    &here,
                    Blame {
                        value: Some(name),
                        problem: format!(
                            "{} name `{}` {problem}",
                            path.last().trim_end_matches('s'),
                            shown(name)
                        ),
                        expected: Some("1 to 64 letters, digits, `.`, `_` or `-`".into()),
                        hint: None,
                    },
                );
                continue;
            }
            if let Some(value) = self.value(value, &inner, &here) {
                sound.insert(name.to_owned(), value);
            }
        }
        Value::Object(sound)
    }

    fn unknown_key(&mut self, path: &KeyPath, rule: &Rule<'_>) {
        let name = path.last();
        let hint = if matches!(name, "password" | "pass" | "passwd") {
            Some("a password does not stand in this file: use `password_credential`, `password_file` or `password_env`".to_owned())
        } else if let Some(near) = nearest(name, rule.members()) {
            Some(format!("did you mean `{near}`?"))
        } else {
            self.reading
                .rule
                .section_with(name)
                .map(|section| format!("it belongs to [{section}]"))
        };
        let known: Vec<&str> = rule.members().collect();
        let expected = (hint.is_none() && !known.is_empty()).then(|| one_of(&known));
        self.document.blame(
            path,
            Blame {
                value: None,
                problem: format!("unknown key `{}`", shown(name)),
                expected,
                hint,
            },
        );
    }

    fn value(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        rule: &Rule<'_>,
        path: &KeyPath,
    ) -> Option<Value> {
        let written = self.text.get(value.span()).unwrap_or_default();
        match value.get_ref() {
            DeValue::Table(table) if rule.is_table() => Some(self.table(table, rule, path)),
            DeValue::Array(array) if rule.kind() == "array" => {
                let (least, most) = rule.lengths();
                if array.len() < least || array.len() > most {
                    self.document.blame(
                        path,
                        Blame {
                            value: None,
                            problem: format!("{} has {} entries", path.last(), array.len()),
                            expected: Some(if most == usize::MAX {
                                format!("{least} or more")
                            } else {
                                format!("{least} to {most}")
                            }),
                            hint: None,
                        },
                    );
                    return None;
                }
                let items = rule.items();
                let mut sound = Vec::with_capacity(array.len());
                for (index, item) in array.iter().enumerate() {
                    let here = path.join(&format!("[{index}]"));
                    self.document
                        .lines
                        .insert(here.clone(), line_of(self.text, &item.span()));
                    sound.push(self.value(item, &items, &here));
                }
                // An array with holes would mean something else than was written.
                sound
                    .into_iter()
                    .collect::<Option<Vec<_>>>()
                    .map(Value::Array)
            }
            DeValue::String(text) => self.text_value(text, rule, path),
            DeValue::Integer(integer) if matches!(rule.kind(), "integer" | "number") => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(number) => {
                        self.number(number as f64, Value::from(number), written, rule, path)
                    }
                    Err(_) => self.refuse(written, rule, path),
                }
            }
            DeValue::Float(float) if rule.kind() == "number" => match float.as_str().parse::<f64>()
            {
                Ok(number) if number.is_finite() => {
                    self.number(number, Value::from(number), written, rule, path)
                }
                _ => self.refuse(written, rule, path),
            },
            DeValue::Boolean(flag) if rule.kind() == "boolean" => Some(Value::Bool(*flag)),
            DeValue::Datetime(time) if rule.kind() == "string" && rule.form() == Some("time") => {
                self.text_value(&time.to_string(), rule, path)
            }
            _ => self.refuse(written, rule, path),
        }
    }

    fn text_value(&mut self, written: &str, rule: &Rule<'_>, path: &KeyPath) -> Option<Value> {
        if (self.reading.is_unused)(path) && rule.kind() == "string" {
            return Some(Value::String(written.to_owned()));
        }
        let expanded = match expand(written, self.reading.variable) {
            Ok(expanded) => expanded,
            Err(fault) => {
                let (problem, hint) = match fault {
                    ExpandFault::Unset(name) => (
                        format!("environment variable `{name}` is not set"),
                        format!("set it, or write `${{{name}:-default}}`"),
                    ),
                    ExpandFault::Malformed => (
                        format!(
                            "{} has a `${{` that is not `${{NAME}}` or `${{NAME:-default}}`",
                            path.last()
                        ),
                        "write `$${` for a plain `${`".to_owned(),
                    ),
                };
                self.document.blame(
                    path,
                    Blame {
                        value: None,
                        problem,
                        expected: None,
                        hint: Some(hint),
                    },
                );
                return None;
            }
        };
        let text = expanded.text.as_str();
        match rule.kind() {
            "string" => {}
            "integer"
                if expanded.has_variables
                    && let Ok(number) = text.parse::<i64>() =>
            {
                return self.number(number as f64, Value::from(number), written, rule, path);
            }
            "number"
                if expanded.has_variables
                    && let Ok(number) = text.parse::<f64>()
                    && number.is_finite() =>
            {
                return self.number(number, Value::from(number), written, rule, path);
            }
            "boolean"
                if expanded.has_variables
                    && let Ok(flag) = text.parse::<bool>() =>
            {
                return Some(Value::Bool(flag));
            }
            _ => return self.refuse(written, rule, path),
        }
        if let Some(words) = rule.words() {
            if words.contains(&text) {
                return Some(Value::String(expanded.text));
            }
            let hint =
                nearest(text, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let shown = shown_value(path, written);
            self.document.blame(
                path,
                Blame {
                    value: Some(written),
                    problem: format!("{} `{shown}` unknown", rule.title().unwrap_or(path.last())),
                    expected: Some(one_of(&words)),
                    hint: hint.filter(|_| !expanded.has_variables),
                },
            );
            return None;
        }
        let fault = if text.chars().count() < rule.lengths().0 || text.contains('\0') {
            Some(("is empty or has a zero byte", "a text".to_owned()))
        } else {
            rule.check_form(text)
        };
        if let Some((problem, expected)) = fault {
            let shown = shown_value(path, written);
            self.document.blame(
                path,
                Blame {
                    value: Some(written),
                    problem: format!("{} `{shown}` {problem}", path.last()),
                    expected: Some(expected),
                    hint: None,
                },
            );
            return None;
        }
        Some(Value::String(expanded.text))
    }

    fn number(
        &mut self,
        number: f64,
        value: Value,
        written: &str,
        rule: &Rule<'_>,
        path: &KeyPath,
    ) -> Option<Value> {
        let (least, most) = rule.bounds();
        if (least..=most).contains(&number) {
            return Some(value);
        }
        self.refuse(written, rule, path)
    }

    fn refuse(&mut self, written: &str, rule: &Rule<'_>, path: &KeyPath) -> Option<Value> {
        let bare = written.trim_matches(['"', '\'']);
        let shown = shown_value(path, bare);
        let is_number = bare.parse::<f64>().is_ok() && !written.starts_with(['"', '\'']);
        let problem = match rule.kind() {
            "integer" if is_number && bare.contains('.') => "is not a whole number",
            "integer" | "number" if is_number => "is out of range",
            _ => "is of the wrong kind",
        };
        self.document.blame(
            path,
            Blame {
                value: Some(written),
                problem: format!(
                    "{} `{shown}` {problem}",
                    rule.title().unwrap_or(path.last())
                ),
                expected: Some(rule.wanted()),
                hint: None,
            },
        );
        None
    }
}
