//! Whether a regular expression means the same in RE2, which Istio's users write for and Envoy
//! compiles, as in Rust's `regex`, which the proxy uses.
//!
//! What only RE2 knows (`\C`, `\Q…\E`) is no expression for `regex` at all. Here the other
//! direction is ruled out: what only `regex` knows, or what RE2 reads in another way.

use regex_syntax::ast::{
    AssertionKind, Ast, ClassSetBinaryOp, ClassSetItem, Flag, Flags, FlagsItemKind, GroupKind,
    HexLiteralKind, LiteralKind, RepetitionKind, RepetitionRange, Visitor, parse::Parser, visit,
};

/// The most repetitions that RE2 takes.
const MOST_REPETITIONS: u32 = 1000;

/// Says what in an expression RE2 does not have, or reads in another way. An expression that can't
/// be read is left to the compiler, whose message is better.
pub(crate) fn difference(expression: &str) -> Option<&'static str> {
    let ast = Parser::new().parse(expression).ok()?;
    visit(&ast, Walk).err()
}

struct Walk;

impl Visitor for Walk {
    type Output = ();
    type Err = &'static str;

    fn finish(self) -> Result<(), &'static str> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), &'static str> {
        match ast {
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                GroupKind::NonCapturing(set) => flags(set),
                GroupKind::CaptureIndex(_) | GroupKind::CaptureName { .. } => Ok(()),
            },
            Ast::Repetition(repetition) => match &repetition.op.kind {
                RepetitionKind::Range(range) => repetitions(range),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                _ => Err(r"RE2 has no \b{…}, \< and \>"),
            },
            Ast::Literal(literal) => self::literal(&literal.kind),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), &'static str> {
        match item {
            ClassSetItem::Bracketed(_) => {
                Err(r"RE2 has no class within a class: write a `[` in a class as `\[`")
            }
            ClassSetItem::Literal(literal) => self::literal(&literal.kind),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ClassSetBinaryOp) -> Result<(), &'static str> {
        Err(
            "RE2 has no operators (&&, --, ~~) in classes: write such a character once, or behind a backslash",
        )
    }
}

fn flags(flags: &Flags) -> Result<(), &'static str> {
    let unknown = |kind: &FlagsItemKind| {
        matches!(
            kind,
            FlagsItemKind::Flag(Flag::Unicode | Flag::CRLF | Flag::IgnoreWhitespace)
        )
    };
    match flags.items.iter().any(|item| unknown(&item.kind)) {
        true => Err("RE2 has the flags i, m, s and U only"),
        false => Ok(()),
    }
}

fn repetitions(range: &RepetitionRange) -> Result<(), &'static str> {
    let (RepetitionRange::Exactly(most)
    | RepetitionRange::AtLeast(most)
    | RepetitionRange::Bounded(_, most)) = range;
    match *most > MOST_REPETITIONS {
        true => Err("RE2 takes at most 1000 repetitions"),
        false => Ok(()),
    }
}

fn literal(kind: &LiteralKind) -> Result<(), &'static str> {
    match kind {
        LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
            Err(r"RE2 has no \u and \U: write \x{…}")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_means_the_same() {
        for expression in [
            "/v[0-9]+/(a|b)?",
            r"(?i)^\x{e9}\d{1,1000}$",
            r"[a\-z\[&]",
            "[[:alpha:]_-]+",
            r"(?P<name>a)*?",
            r"\bfoo\B",
            r"\pL\p{Greek}",
            "a{,2}",
        ] {
            assert_eq!(difference(expression), None, "{expression}");
        }
    }

    #[test]
    fn finds_what_does_not() {
        for expression in [
            "(?x)a b",
            "(?i-u:a)",
            "(?R)a",
            "[a&&b]",
            "[a--b]",
            "[a[bc]]",
            r"\b{start}a",
            r"\u0041",
            r"[\U00000041]",
            "a{1001}",
            "a{2,2000}",
        ] {
            assert!(difference(expression).is_some(), "{expression}");
        }
    }
}
