//! Answers in JSON.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

pub(super) fn as_json(value: &Value) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, format!("{value:#}\n")).into_response()
}
