//! Cookies, which HTTP/2 may split.

use crate::message::{FieldName, Fields};

/// Joins `cookie` fields into one, as a head needs before it goes to HTTP/1 (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(fields: &mut Fields) {
    let cookies: Vec<_> = fields.all(FieldName::Cookie).collect();
    if cookies.len() > 1 {
        // An empty one at the end would leave a space there, which HTTP/1 takes away.
        let some: Vec<_> = cookies.into_iter().filter(|it| !it.is_empty()).collect();
        let cookie = some.join(&b"; "[..]);
        fields.set(FieldName::Cookie, &cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_cookies_in_the_place_of_the_first() {
        let mut fields = Fields::default();
        for (name, value) in [("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2")] {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        join_cookies(&mut fields);
        let expected: [(&[u8], &[u8]); 2] = [(b"cookie", b"a=1; b=2"), (b"accept", b"*/*")];
        assert_eq!(fields.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn leaves_out_empty_ones() {
        let mut fields = Fields::default();
        for value in ["", "a=1", "", "b=2", ""] {
            fields.push(b"cookie", value.as_bytes());
        }
        join_cookies(&mut fields);
        let joined: Vec<_> = fields.all(FieldName::Cookie).collect();
        assert_eq!(joined, [b"a=1; b=2"]);
    }

    #[test]
    fn leaves_a_single_cookie_alone() {
        let mut fields = Fields::default();
        fields.push(b"cookie", b"a=1; b=2");
        let before = fields.clone();
        join_cookies(&mut fields);
        assert_eq!(fields, before);
    }
}
