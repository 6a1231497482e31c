//! `[sharedb]`: what collections ShareDB's clients see.

use protocol::sharedb::{Projection, Projections, is_name};

use super::error::ConfigError;
use super::values::Values;

/// Reads the projections.
pub(super) fn projections(values: &Values) -> Result<Projections, ConfigError> {
    let (text, origin) = values.text(KEY);
    parse(text).map_err(|what| ConfigError::BadValue {
        origin: origin.clone(),
        key: KEY.to_owned(),
        found: format!("{text:?}, where {what}"),
        expected: EXPECTED,
    })
}

/// The projections that a text declares, or what is wrong with it.
fn parse(text: &str) -> Result<Projections, String> {
    let mut projections = Projections::default();
    if text == "none" {
        return Ok(projections);
    }
    for declared in text.split(';') {
        let (name, projection) = declaration(declared)?;
        if !projections.add(name.to_owned(), projection) {
            return Err(format!("{name:?} is declared twice"));
        }
    }
    for (name, projection) in projections.iter() {
        if projections.get(projection.collection()).is_some() {
            let of = projection.collection();
            return Err(format!("{name:?} is of {of:?}, which is a projection"));
        }
    }
    Ok(projections)
}

fn declaration(declared: &str) -> Result<(&str, Projection), String> {
    let parts = || {
        let (name, of) = declared.split_once('=')?;
        let (collection, fields) = of.trim().strip_suffix(')')?.split_once('(')?;
        Some((name, collection, fields))
    };
    let declared = declared.trim();
    let (name, collection, fields) =
        parts().ok_or_else(|| format!("{declared:?} is no projection"))?;
    let (name, collection) = (checked(name)?, checked(collection)?);
    let mut shown = Vec::new();
    for field in fields.split(',') {
        let field = checked(field)?;
        if shown.contains(&field) {
            return Err(format!("{name:?} shows {field:?} twice"));
        }
        shown.push(field);
    }
    Ok((name, Projection::new(collection, shown)))
}

fn checked(name: &str) -> Result<&str, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a name is missing".to_owned());
    }
    if !is_name(name) || name.contains(['=', '(', ')', ',', ';']) {
        return Err(format!("{name:?} is no name"));
    }
    Ok(name)
}

const KEY: &str = "sharedb.projections";
const EXPECTED: &str = "none, or projections with semicolons between them such as titles = books(title, author); ages = dogs(age)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_are_declared_by_collection_and_fields() {
        assert_eq!(parse("none"), Ok(Projections::default()));
        let projections = parse("titles=books(title,the author) ; a/b = dogs( age )").unwrap();
        let titles = Projection::new("books", ["title", "the author"]);
        assert_eq!(projections.get("titles").map(|it| &**it), Some(&titles));
        let ages = Projection::new("dogs", ["age"]);
        assert_eq!(projections.get("a/b").map(|it| &**it), Some(&ages));
        assert!(projections.get("books").is_none());
    }

    #[test]
    fn what_is_wrong_with_a_declaration_is_told() {
        for (text, what) in [
            ("", r#""" is no projection"#),
            ("a = b(c);", r#""" is no projection"#),
            ("a", r#""a" is no projection"#),
            ("a = b", r#""a = b" is no projection"#),
            ("a = b(c) d", r#""a = b(c) d" is no projection"#),
            ("a = b()", "a name is missing"),
            ("a = b(c,)", "a name is missing"),
            (" = b(c)", "a name is missing"),
            ("a = (c)", "a name is missing"),
            ("a = b((c))", r#""(c)" is no name"#),
            ("a = b = d(c)", r#""b = d" is no name"#),
            ("constructor = b(c)", r#""constructor" is no name"#),
            ("a = b(__proto__)", r#""__proto__" is no name"#),
            ("a = b(c, d, c)", r#""a" shows "c" twice"#),
            ("a = b(c); a = d(e)", r#""a" is declared twice"#),
            ("a = a(c)", r#""a" is of "a", which is a projection"#),
            (
                "a = b(c); d = a(c)",
                r#""d" is of "a", which is a projection"#,
            ),
        ] {
            assert_eq!(parse(text), Err(what.to_owned()), "{text}");
        }
    }
}
