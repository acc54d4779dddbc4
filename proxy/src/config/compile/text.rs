//! Tests of texts.

use pillion_envoy_api::envoy::r#type::matcher::v3::{
    RegexMatchAndSubstitute, RegexMatcher, StringMatcher, regex_matcher,
    string_matcher::MatchPattern,
};

use super::{
    fault::{Fault, at},
    scope::Scope,
};
use crate::tables::{PathRewrite, Pattern, Substitution, TextMatch};

/// The longest text that is looked for.
const MAX_TEXT: usize = 8 * 1024;

/// A test of a text.
pub(super) fn text_match(scope: &Scope<'_>, message: StringMatcher) -> Result<TextMatch, Fault> {
    let StringMatcher {
        match_pattern,
        ignore_case,
    } = message;
    let test = match match_pattern {
        Some(MatchPattern::Exact(text)) => TextMatch::exact(bounded("exact", &text)?),
        Some(MatchPattern::Prefix(text)) => TextMatch::prefix(bounded("prefix", &text)?),
        Some(MatchPattern::Suffix(text)) => TextMatch::suffix(bounded("suffix", &text)?),
        Some(MatchPattern::Contains(text)) => TextMatch::contains(bounded("contains", &text)?),
        // As in Envoy, an expression says by itself that case is of no matter.
        Some(MatchPattern::SafeRegex(regex)) => {
            return Ok(TextMatch::regex(whole(scope, "safe_regex", regex)?));
        }
        None => return Err(Fault::new("match_pattern", "is missing")),
    };
    Ok(match ignore_case {
        true => test.ignoring_case(),
        false => test,
    })
}

/// An expression that has to match a whole text.
pub(super) fn whole(
    scope: &Scope<'_>,
    field: &'static str,
    message: RegexMatcher,
) -> Result<Pattern, Fault> {
    let pattern = scope.patterns.whole(&regex(message));
    pattern.map_err(|error| at(field)(Fault::new("regex", error.to_string())))
}

/// A path whose matches of an expression are replaced.
pub(super) fn path_rewrite(
    scope: &Scope<'_>,
    field: &'static str,
    message: RegexMatchAndSubstitute,
) -> Result<PathRewrite, Fault> {
    let RegexMatchAndSubstitute {
        pattern,
        substitution,
    } = message;
    let Some(pattern) = pattern else {
        return Err(at(field)(Fault::new("pattern", "is missing")));
    };
    let pattern = scope.patterns.anywhere(&regex(pattern));
    let pattern = pattern.map_err(|error| Fault::new("pattern.regex", error.to_string()));
    let pattern = pattern.map_err(at(field))?;
    bounded("substitution", &substitution).map_err(at(field))?;
    let substitution = Substitution::new(&substitution, &pattern);
    let substitution = substitution.map_err(|error| Fault::new("substitution", error.to_string()));
    Ok(PathRewrite::Regex {
        substitution: substitution.map_err(at(field))?,
        pattern,
    })
}

fn regex(message: RegexMatcher) -> String {
    let RegexMatcher { engine_type, regex } = message;
    match engine_type {
        // The size of an expression is bounded for all alike.
        None
        | Some(regex_matcher::EngineType::GoogleRe2(regex_matcher::GoogleRe2 {
            max_program_size: _,
        })) => regex,
    }
}

/// As much of a text as [`bounded`] takes, of one that is not the configuration's own.
pub(super) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Refuses texts that no request could have.
pub(super) fn bounded<'a>(field: &'static str, text: &'a str) -> Result<&'a str, Fault> {
    match text.len() <= MAX_TEXT {
        true => Ok(text),
        false => Err(Fault::new(field, format!("has more than {MAX_TEXT} bytes"))),
    }
}
