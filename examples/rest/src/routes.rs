//! axum's router and handlers. Nothing here depends on the loop.

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::notes::{Draft, Failure, Note, Notes};

/// Builds the router of the service.
pub fn router(notes: Notes, body_limit: usize) -> Router {
    let note = get(show).put(change).delete(remove);
    Router::new()
        .route("/notes", get(list).post(add))
        .route("/notes/{id}", note)
        .route("/health", get(|| async { StatusCode::NO_CONTENT }))
        .fallback(|| async { Problem::NotFound })
        .layer(DefaultBodyLimit::max(body_limit))
        .with_state(notes)
}

async fn list(State(notes): State<Notes>) -> Result<Json<Vec<Note>>, Problem> {
    Ok(Json(notes.all().await?))
}

async fn add(
    State(notes): State<Notes>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<Response, Problem> {
    let note = notes.add(draft?.0).await?;
    let location = [(LOCATION, format!("/notes/{}", note.id))];
    Ok((StatusCode::CREATED, location, Json(note)).into_response())
}

async fn show(State(notes): State<Notes>, Path(id): Path<i64>) -> Result<Json<Note>, Problem> {
    notes.get(id).await?.map(Json).ok_or(Problem::NotFound)
}

async fn change(
    State(notes): State<Notes>,
    Path(id): Path<i64>,
    draft: Result<Json<Draft>, JsonRejection>,
) -> Result<Json<Note>, Problem> {
    let changed = notes.change(id, draft?.0).await?;
    changed.map(Json).ok_or(Problem::NotFound)
}

async fn remove(State(notes): State<Notes>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    match notes.remove(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::NotFound),
    }
}

/// An error response, with a JSON body: `{"error": …}`.
#[derive(Debug)]
pub enum Problem {
    /// The path or the note does not exist.
    NotFound,
    /// The body is too large or is not the expected JSON.
    Body(StatusCode, String),
    /// The handler did not finish within the time limit.
    TimedOut,
    /// The service failed; the cause is only in its log.
    Internal,
}

#[derive(Serialize)]
struct ProblemBody {
    error: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Problem::NotFound => (StatusCode::NOT_FOUND, "not found".to_owned()),
            Problem::Body(status, text) => (status, text),
            Problem::TimedOut => {
                let text = "the request took too long".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, text)
            }
            Problem::Internal => {
                let text = "internal error".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        };
        (status, Json(ProblemBody { error })).into_response()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Problem {
        eprintln!("{}", failure.0);
        Problem::Internal
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Problem {
        Problem::Body(rejection.status(), rejection.body_text())
    }
}
