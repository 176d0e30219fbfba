//! `${VAR}` and `${VAR:-default}` in the texts of a configuration.
//!
//! Values are expanded after the TOML was read, so no variable can add a key or a table.

/// A variable that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandFault {
    /// `${VAR}` without a default, and `VAR` is not set.
    Unset(String),
    /// `${` without `}`, or a name that no variable can have.
    Malformed,
}

/// A text with its variables put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    pub(super) text: String,
    pub(super) has_variables: bool,
}

/// Puts the variables into `text`; `$${` stands for a plain `${`.
pub(super) fn expand(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Expanded, ExpandFault> {
    let mut out = String::with_capacity(text.len());
    let mut has_variables = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let before = &rest[..at];
        let after = &rest[at + 2..];
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (inside, tail) = after.split_once('}').ok_or(ExpandFault::Malformed)?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(ExpandFault::Malformed);
        }
        // As in a shell, `:-` also covers a variable that is set and empty.
        let value = match (variable(name), default) {
            (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
            (Some(value), _) => value,
            (None, Some(default)) => default.to_owned(),
            (None, None) => return Err(ExpandFault::Unset(name.to_owned())),
        };
        out.push_str(&value);
        has_variables = true;
        rest = tail;
    }
    out.push_str(rest);
    Ok(Expanded {
        text: out,
        has_variables,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("10.0.0.7".into()),
            "EMPTY" => Some(String::new()),
            "TRICK" => Some("${HOST}".into()),
            _ => None,
        }
    }

    fn text(of: &str) -> Result<String, ExpandFault> {
        expand(of, &environment).map(|expanded| expanded.text)
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        assert_eq!(
            text("rtsp://${HOST}:${PORT:-554}/").unwrap(),
            "rtsp://10.0.0.7:554/"
        );
        assert_eq!(text("${EMPTY:-x}${EMPTY}").unwrap(), "x");
        assert_eq!(text("$HOME and $${HOST}").unwrap(), "$HOME and ${HOST}");
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        assert_eq!(text("${TRICK}").unwrap(), "${HOST}");
    }

    #[test]
    fn missing_and_broken_variables_are_faults() {
        assert_eq!(text("${NOPE}"), Err(ExpandFault::Unset("NOPE".into())));
        for broken in ["${", "${}", "${1A}", "${A B}", "${HOST"] {
            assert_eq!(text(broken), Err(ExpandFault::Malformed), "{broken}");
        }
    }
}
