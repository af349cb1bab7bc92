//! Filters as text.

use super::expression::{Comparison, FilterError, FilterExpr, Literal, is_plain};
use std::str::FromStr;
use winnow::{
    ModalResult, Parser,
    ascii::{Caseless, multispace0},
    combinator::{
        alt, cut_err, delimited, eof, not, peek, preceded, repeat, separated, terminated,
    },
    error::{StrContext, StrContextValue},
    token::{any, one_of, take_while},
};

/// The most parentheses within each other.
const MAX_DEPTH: usize = 64;

/// The longest text.
const MAX_TEXT: usize = 1 << 20;

impl FromStr for FilterExpr {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_TEXT {
            let message = format!("{} bytes, while at most {MAX_TEXT} are read", text.len());
            return Err(FilterError { at: MAX_TEXT, message });
        }
        check_depth(text)?;
        let whole = delimited(multispace0, disjunction, (multispace0, eof_expected));
        let mut whole = whole;
        whole.parse(text).map_err(|error| {
            let message = error.inner().to_string();
            let expected =
                if message.is_empty() { "this is no filter".to_owned() } else { message };
            FilterError { at: error.offset(), message: expected.replace('\n', ", ") }
        })
    }
}

/// Parentheses are read by recursion, which must end before the stack does.
fn check_depth(text: &str) -> Result<(), FilterError> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), c) if c == open && !escaped => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = false;
        if depth > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} parentheses within each other");
            return Err(FilterError { at, message });
        }
    }
    Ok(())
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn eof_expected(input: &mut &str) -> ModalResult<()> {
    cut_err(eof.void()).context(expected("AND, OR or the end")).parse_next(input)
}

/// A word of the language, not the beginning of a longer one.
fn word<'i>(
    text: &'static str,
) -> impl Parser<&'i str, (), winnow::error::ErrMode<winnow::error::ContextError>> {
    let ends = not(one_of(|c: char| c.is_ascii_alphanumeric() || "_.-".contains(c)));
    terminated(Caseless(text), ends).void()
}

fn joined(mut parts: Vec<FilterExpr>, join: fn(Vec<FilterExpr>) -> FilterExpr) -> FilterExpr {
    match parts.len() {
        1 => parts.swap_remove(0),
        _ => join(parts),
    }
}

fn disjunction(input: &mut &str) -> ModalResult<FilterExpr> {
    chain(input, "or", conjunction, FilterExpr::Or)
}

fn conjunction(input: &mut &str) -> ModalResult<FilterExpr> {
    chain(input, "and", negation, FilterExpr::And)
}

/// One part, or several with a word between them.
fn chain(
    input: &mut &str,
    between: &'static str,
    part: fn(&mut &str) -> ModalResult<FilterExpr>,
    join: fn(Vec<FilterExpr>) -> FilterExpr,
) -> ModalResult<FilterExpr> {
    let between = delimited(multispace0, word(between), multispace0);
    let parts: Vec<FilterExpr> = (part, repeat(0.., preceded(between, cut_err(part))))
        .map(|(first, mut rest): (FilterExpr, Vec<FilterExpr>)| {
            rest.insert(0, first);
            rest
        })
        .parse_next(input)?;
    Ok(joined(parts, join))
}

fn negation(input: &mut &str) -> ModalResult<FilterExpr> {
    // By a loop, so that a thousand NOTs need no stack to be read; two of them cancel out.
    let nots: usize = repeat(0.., terminated(word("not"), multispace0)).parse_next(input)?;
    let inner =
        alt((group, condition)).context(expected("a condition, NOT or `(`")).parse_next(input)?;
    Ok(if nots % 2 == 1 { !inner } else { inner })
}

fn group(input: &mut &str) -> ModalResult<FilterExpr> {
    let close = (multispace0, ')').context(expected("`)`"));
    delimited(('(', multispace0), cut_err(disjunction), cut_err(close)).parse_next(input)
}

fn condition(input: &mut &str) -> ModalResult<FilterExpr> {
    let field = field.parse_next(input)?;
    multispace0.parse_next(input)?;
    let rest = alt((
        preceded((word("in"), multispace0), cut_err(values)).map(Rest::In),
        preceded((word("contains"), multispace0), cut_err(quoted)).map(Rest::Contains),
        preceded((word("is"), multispace0), cut_err(null)),
        (comparison, preceded(multispace0, cut_err(literal)))
            .map(|(op, value)| Rest::Compare(op, value)),
    ));
    let what = "one of = != < <= > >= IN CONTAINS IS";
    Ok(match cut_err(rest).context(expected(what)).parse_next(input)? {
        Rest::In(values) => FilterExpr::In { field, values },
        Rest::Contains(element) => FilterExpr::Contains { field, element },
        Rest::Null => FilterExpr::IsNull { field },
        Rest::NotNull => !FilterExpr::IsNull { field },
        Rest::Compare(op, value) => FilterExpr::Compare { field, op, value },
    })
}

/// What follows the name of an attribute.
enum Rest {
    In(Vec<Literal>),
    Contains(String),
    Null,
    NotNull,
    Compare(Comparison, Literal),
}

fn null(input: &mut &str) -> ModalResult<Rest> {
    let not_null = (word("not"), multispace0, cut_err(word("null")));
    alt((not_null.map(|_| Rest::NotNull), word("null").map(|()| Rest::Null)))
        .context(expected("NULL or NOT NULL"))
        .parse_next(input)
}

fn field(input: &mut &str) -> ModalResult<String> {
    let plain = take_while(1.., |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let plain = plain.verify(|name: &str| is_plain(name)).map(str::to_owned);
    let inside = alt(("``".value('`'), any.verify(|c: &char| *c != '`')));
    let text = repeat(0.., inside).fold(String::new, |mut text, c| {
        text.push(c);
        text
    });
    alt((plain, delimited('`', text, cut_err('`'))))
        .context(expected("an attribute"))
        .parse_next(input)
}

fn comparison(input: &mut &str) -> ModalResult<Comparison> {
    alt((
        "!=".value(Comparison::NotEqual),
        "<=".value(Comparison::AtMost),
        ">=".value(Comparison::AtLeast),
        "=".value(Comparison::Equal),
        "<".value(Comparison::Less),
        ">".value(Comparison::More),
    ))
    .parse_next(input)
}

fn values(input: &mut &str) -> ModalResult<Vec<Literal>> {
    let comma = (multispace0, ',', multispace0);
    let close = (multispace0, ')').context(expected("`,` or `)`"));
    delimited(('(', multispace0), separated(1.., literal, comma), cut_err(close))
        .context(expected("values in parentheses"))
        .parse_next(input)
}

fn literal(input: &mut &str) -> ModalResult<Literal> {
    alt((
        quoted.map(Literal::Text),
        word("true").value(Literal::Bool(true)),
        word("false").value(Literal::Bool(false)),
        number,
    ))
    .context(expected("a number, a text in double quotes, true or false"))
    .parse_next(input)
}

fn quoted(input: &mut &str) -> ModalResult<String> {
    let escaped = preceded('\\', one_of(['"', '\\']));
    let plain = any.verify(|c: &char| *c != '"' && *c != '\\');
    let text = repeat(0.., alt((escaped, plain))).fold(String::new, |mut text, c: char| {
        text.push(c);
        text
    });
    let end = '"'.context(expected("the end of a text: `\"`, or `\\` only before `\"` or `\\`"));
    delimited('"', text, cut_err(end))
        .context(expected("a text in double quotes"))
        .parse_next(input)
}

fn number(input: &mut &str) -> ModalResult<Literal> {
    let text = take_while(1.., |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let starts = peek(one_of(|c: char| c.is_ascii_digit() || "+-.".contains(c)));
    preceded(starts, text)
        .verify_map(|text: &str| {
            let float = || text.parse::<f64>().ok().filter(|value| value.is_finite());
            let digits = !text.contains(['.', 'e', 'E']);
            if digits { text.parse().ok().map(Literal::Int) } else { float().map(Literal::Float) }
        })
        .parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<FilterExpr, FilterError> {
        text.parse()
    }

    #[test]
    fn texts_mean_what_they_say() {
        let compare =
            |field: &str, op, value| FilterExpr::Compare { field: field.to_owned(), op, value };
        assert_eq!(
            parse(r#" lang = "rust" and stars>10 AND tags CONTAINS "simd" "#).unwrap(),
            FilterExpr::And(vec![
                compare("lang", Comparison::Equal, Literal::Text("rust".to_owned())),
                compare("stars", Comparison::More, Literal::Int(10)),
                FilterExpr::Contains { field: "tags".to_owned(), element: "simd".to_owned() },
            ])
        );
        for (text, printed) in [
            ("a=1 OR b=2 AND c=3", "a = 1 OR (b = 2 AND c = 3)"),
            ("(a=1 OR b=2) AND NOT c is null", "(a = 1 OR b = 2) AND c IS NOT NULL"),
            ("not a IS NOT\tNULL", "a IS NULL"),
            ("isnull = 1 and is_x IS NULL", "isnull = 1 AND is_x IS NULL"),
            ("NOT NOT NOT a<=-1.5e3", "NOT a <= -1500.0"),
            ("not not a != true", "a != true"),
            (r#"a in ("x\"y", 2,3.0)"#, r#"a IN ("x\"y", 2, 3.0)"#),
            ("`no plain` = 1", "`no plain` = 1"),
            ("`a``b` is null", "`a``b` IS NULL"),
            ("`order` = 1", "order = 1"),
            ("`or` = 1", "`or` = 1"),
            ("order = 1 or inner = 2", "order = 1 OR inner = 2"),
            ("a\n=\t1", "a = 1"),
        ] {
            let filter = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(filter.to_string(), printed, "{text}");
            assert_eq!(parse(printed).unwrap(), filter);
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, at) in [
            ("", 0),
            ("stars >", 7),
            (r#"lang = "rust" AND"#, 17),
            (r#"lang = "rust" stars > 1"#, 14),
            (r#"lang = 'rust'"#, 7),
            ("a = 1 AND (b = 2", 16),
            ("a = 99999999999999999999", 4),
            ("a = 1e999", 4),
            ("a IN ()", 6),
            ("a CONTAINS 1", 11),
            (r#"a = "open"#, 9),
            ("and = 1", 0),
            ("a ~ 1", 2),
            ("a IS 1", 5),
            ("a IS NOT 1", 9),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(!error.message.is_empty());
        }
        let deep = |n: usize| format!("{}a = 1{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&deep(MAX_DEPTH + 1)).unwrap_err().at, MAX_DEPTH);
        assert!(parse(&deep(100_000)).is_err());
        assert!(parse(&format!("{}a = 1", "NOT ".repeat(100_000))).is_ok());
        assert!(parse(&"x".repeat(MAX_TEXT + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c(),`\"\\\\ =<>!0-9.eANDORTISUL-]{0,40}") {
            if let Ok(filter) = parse(&text) {
                prop_assert_eq!(parse(&filter.to_string()), Ok(filter));
            }
        }
    }
}
