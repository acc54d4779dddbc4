//! What is said of a field that is unknown where it stands: mostly it is mis-indented, or its
//! name is mistyped.

use std::{cmp::Reverse, fmt::Write as _};

use serde_json::{Map, Value};

use crate::{
    object::Kind,
    path::{Path, Segment, shortened},
    schema,
};

/// What to say of the unknown field `name` at `path`, of an object whose known fields are given.
pub(crate) fn hint(kind: Kind, path: &Path, known: &Map<String, Value>, name: &str) -> String {
    if let Some(known) = respelled(known, name) {
        return format!("there is no such field; did you mean `{known}`?");
    }
    if let Some(reason) = removed(name) {
        return reason.to_owned();
    }
    let (letters, near) = nearest(known, name).unzip();
    // One wrong letter, or one too many, is more likely than a wrong place.
    if let Some(near) = near.filter(|_| letters == Some(1)) {
        return format!("there is no such field; did you mean `{near}`?");
    }
    if let Some(place) = elsewhere(kind, path, name) {
        return format!(
            "there is no such field here; `{}` belongs in {place}: look at its indentation",
            shortened(name)
        );
    }
    if let Some(known) = near {
        return format!("there is no such field; did you mean `{known}`?");
    }
    let mut fields = String::new();
    for (position, field) in known.keys().take(20).enumerate() {
        let comma = if position == 0 { "" } else { ", " };
        let _ = write!(fields, "{comma}{field}");
    }
    format!("there is no such field; here are {fields}")
}

/// The known field that differs only in case, `_` or `-`.
fn respelled<'a>(known: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|character| !"_-".contains(*character))
            .map(|character| character.to_ascii_lowercase())
            .collect()
    };
    if name.len() > 64 {
        return None;
    }
    let name = plain(name);
    known
        .keys()
        .find(|field| plain(field) == name)
        .map(String::as_str)
}

/// What Istio had in versions before 1.6 or so.
fn removed(name: &str) -> Option<&'static str> {
    match name {
        "appendHeaders" | "appendRequestHeaders" => {
            Some("Istio has removed this field: use headers.request.add")
        }
        "appendResponseHeaders" => Some("Istio has removed this field: use headers.response.add"),
        "removeRequestHeaders" => Some("Istio has removed this field: use headers.request.remove"),
        "removeResponseHeaders" => {
            Some("Istio has removed this field: use headers.response.remove")
        }
        "websocketUpgrade" => Some("Istio has removed this field: WebSockets are always allowed"),
        _ => None,
    }
}

/// The known field that differs by one or two letters, and by how many.
fn nearest<'a>(known: &'a Map<String, Value>, name: &str) -> Option<(usize, &'a str)> {
    let length = name.chars().count();
    if !(3..=40).contains(&length) {
        return None;
    }
    let most = if length < 6 { 1 } else { 2 };
    known
        .keys()
        .map(|field| (distance(field, name), field.as_str()))
        .filter(|(distance, _)| *distance <= most)
        .min()
}

/// The number of letters that are put in, left out, replaced or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(from != to);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from == right[column - 1] && left[row - 1] == *to {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

/// The nearest place where the kind has a field of that name. It is written with the indices of
/// `path` as far as both go the same way.
fn elsewhere(kind: Kind, path: &Path, name: &str) -> Option<String> {
    let mut places = Vec::new();
    search(
        schema::of(kind),
        name,
        &mut vec![Step::Field("spec")],
        &mut places,
    );
    // The last step of the path is the field itself.
    let (_, around) = path.0.split_last()?;
    let common = |place: &[Step<'_>]| {
        place
            .iter()
            .zip(around)
            .take_while(|(step, segment)| step.fits(segment))
            .count()
    };
    let best = places
        .into_iter()
        .min_by_key(|place| (Reverse(common(place)), place.len()))?;
    let shared = common(&best);
    let mut written = Path(around[..shared].to_vec());
    let mut result = String::new();
    for step in &best[shared..] {
        match step {
            Step::Field(name) => written.0.push(Segment::from(*name)),
            Step::Element => {
                let _ = write!(result, "{written}[]");
                written = Path(Vec::new());
                // What follows is appended to the text, after a point.
                result.push('.');
            }
        }
    }
    let _ = write!(result, "{written}");
    Some(result.trim_end_matches('.').to_owned())
}

/// A step from a schema to one in it.
#[derive(Clone, Copy)]
enum Step<'a> {
    /// To a field.
    Field(&'a str),
    /// To the elements of a list, or the values of a map.
    Element,
}

impl Step<'_> {
    fn fits(self, segment: &Segment) -> bool {
        match (self, segment) {
            (Self::Field(name), Segment::Field(other)) => name == other,
            (Self::Element, Segment::Index(_) | Segment::Key(_)) => true,
            _ => false,
        }
    }
}

/// Collects the places of all structs that have a field `name`.
fn search<'a>(
    schema: &'a Value,
    name: &str,
    steps: &mut Vec<Step<'a>>,
    places: &mut Vec<Vec<Step<'a>>>,
) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        if properties.contains_key(name) {
            places.push(steps.clone());
        }
        for (field, inner) in properties {
            steps.push(Step::Field(field));
            search(inner, name, steps, places);
            steps.pop();
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(key) {
            steps.push(Step::Element);
            search(inner, name, steps, places);
            steps.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters_that_differ() {
        for (left, right, expected) in [
            ("route", "route", 0),
            ("route", "rotue", 1),
            ("hosts", "host", 1),
            ("host", "", 4),
            ("http", "https", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
