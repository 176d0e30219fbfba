//! The part of JSON Schema that our own types produce, as questions about one value.

use std::net::SocketAddr;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::fault::one_of;
use super::values::Name;

/// The JSON Schema of a type, with everything in its place (no `$ref`).
#[must_use]
pub fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// What a schema says about one value.
#[derive(Clone, Copy)]
pub(super) struct Rule<'a>(&'a Value);

impl<'a> Rule<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        // An optional value is "this or null"; TOML has no null.
        let inner = schema["anyOf"]
            .as_array()
            .and_then(|branches| branches.iter().find(|branch| branch["type"] != "null"));
        Self(inner.unwrap_or(schema))
    }

    pub(super) fn kind(&self) -> &'a str {
        match &self.0["type"] {
            Value::String(kind) => kind,
            Value::Array(kinds) => kinds
                .iter()
                .filter_map(Value::as_str)
                .find(|kind| *kind != "null")
                .unwrap_or(""),
            _ if self.words().is_some() => "string",
            _ => "",
        }
    }

    pub(super) fn is_table(&self) -> bool {
        self.kind() == "object"
    }

    pub(super) fn has_member(&self, name: &str) -> bool {
        self.0["properties"].get(name).is_some()
    }

    /// The rule for a key of this table: one of its own, or the one for all names.
    pub(super) fn member(&self, name: &str) -> Option<Self> {
        let own = self.0["properties"].get(name);
        own.or_else(|| {
            self.0
                .get("additionalProperties")
                .filter(|any| any.is_object())
        })
        .map(Rule::of)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &'a str> {
        self.0["properties"]
            .as_object()
            .into_iter()
            .flat_map(|members| members.keys().map(String::as_str))
    }

    /// The section of the whole file that has a key of this name.
    pub(super) fn section_with(&self, name: &str) -> Option<&'a str> {
        let mut sections = self.members().filter(|section| {
            self.member(section)
                .is_some_and(|rule| rule.has_member(name))
        });
        match (sections.next(), sections.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Self {
        Self::of(&self.0["items"])
    }

    /// Least and greatest number, both included.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let least = self.0["minimum"].as_f64().unwrap_or(f64::NEG_INFINITY);
        let most = self.0["maximum"]
            .as_f64()
            .unwrap_or(match self.0["format"].as_str() {
                Some("uint8") => f64::from(u8::MAX),
                Some("uint32") => f64::from(u32::MAX),
                _ => f64::INFINITY,
            });
        (least, most)
    }

    /// Least and greatest number of entries or characters.
    pub(super) fn lengths(&self) -> (usize, usize) {
        let read = |key: &str| {
            self.0[key]
                .as_u64()
                .and_then(|count| usize::try_from(count).ok())
        };
        (
            read("minItems").or_else(|| read("minLength")).unwrap_or(0),
            read("maxItems").unwrap_or(usize::MAX),
        )
    }

    /// The words of an enumeration.
    pub(super) fn words(&self) -> Option<Vec<&'a str>> {
        if let Some(words) = self.0["enum"].as_array() {
            return Some(words.iter().filter_map(Value::as_str).collect());
        }
        let branches = self.0["oneOf"].as_array()?;
        let words: Vec<&str> = branches
            .iter()
            .flat_map(|branch| {
                let listed = branch["enum"].as_array().into_iter().flatten();
                listed.chain(branch.get("const")).filter_map(Value::as_str)
            })
            .collect();
        (!words.is_empty()).then_some(words)
    }

    pub(super) fn title(&self) -> Option<&'a str> {
        self.0["title"].as_str()
    }

    pub(super) fn form(&self) -> Option<&'a str> {
        self.0["x-form"].as_str()
    }

    /// What is wrong with a text of this form, and what would be right.
    pub(super) fn check_form(&self, text: &str) -> Option<(&'static str, String)> {
        match self.form() {
            Some("name") if Name::parse(text).is_err() => Some((
                "is not a name",
                "1 to 64 letters, digits, `.`, `_` or `-`, first a letter or digit".into(),
            )),
            Some("loopback") => match text.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => None,
                Ok(_) => Some((
                    "is not a loopback address",
                    "`127.0.0.1:9464`: put a proxy before it to reach it from outside".into(),
                )),
                Err(_) => Some(("is not an address with a port", "`127.0.0.1:9464`".into())),
            },
            Some("time") if text.parse::<jiff::Timestamp>().is_err() => Some((
                "is not a time",
                "RFC 3339 with an offset, `2026-03-01T14:00:00Z`".into(),
            )),
            _ => None,
        }
    }

    /// What belongs here, in words.
    pub(super) fn wanted(&self) -> String {
        if let Some(words) = self.words() {
            return one_of(&words);
        }
        let (least, most) = self.bounds();
        let range = match (least.is_finite(), most.is_finite()) {
            (true, true) => format!(" from {least} to {most}"),
            (true, false) => format!(" of at least {least}"),
            (false, true) => format!(" of at most {most}"),
            (false, false) => String::new(),
        };
        match self.kind() {
            "integer" => format!("a whole number{range}"),
            "number" => format!("a number{range}"),
            "boolean" => "`true` or `false`".into(),
            "array" => format!("a list, each entry {}", self.items().wanted()),
            "object" => "a table".into(),
            _ => "a text in quotes".into(),
        }
    }
}
