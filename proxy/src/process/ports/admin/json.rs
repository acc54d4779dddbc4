//! Answers in JSON.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

pub(super) fn as_json(value: &Value) -> Response {
    text_of_json(format!("{value:#}\n").into())
}

/// An answer that is in JSON already.
pub(super) fn text_of_json(text: Vec<u8>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, text).into_response()
}
