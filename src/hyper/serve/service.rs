//! What `serve` accepts: services of hyper and of tower.

use std::error::Error;

use ::hyper::body::{Body, Incoming};
use ::hyper::service::Service;
use ::hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;

/// The error type that hyper accepts from services and bodies.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// A service that [`serve`](super::serve) accepts.
///
/// It is implemented for hyper's services, such as `hyper::service::service_fn(handler)`, and for
/// tower's services that can be cloned, such as `axum::Router`. `Kind` tells the two apart and is
/// inferred. Neither has to be `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a service for HTTP requests",
    label = "expected a service of hyper or tower for `Request<Incoming>`",
    note = "wrap an async function in `hyper::service::service_fn`",
    note = "call `with_state` on an axum router that has state"
)]
pub trait IntoService<Kind> {
    /// The body of the responses.
    type Body: Body<Error: Into<BoxError>> + 'static;

    /// The service for hyper.
    type Service: Service<Request<Incoming>, Response = Response<Self::Body>, Error: Into<BoxError>>
        + 'static;

    /// Converts the value into a service for hyper.
    fn into_service(self) -> Self::Service;
}

/// The kind of hyper's services, see [`IntoService`].
#[derive(Debug)]
pub enum HyperKind {}

/// The kind of tower's services, see [`IntoService`].
#[derive(Debug)]
pub enum TowerKind {}

impl<S, B> IntoService<HyperKind> for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Service = S;

    fn into_service(self) -> S {
        self
    }
}

impl<S, B> IntoService<TowerKind> for S
where
    TowerToHyperService<S>:
        Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>> + 'static,
    B: Body<Error: Into<BoxError>> + 'static,
{
    type Body = B;
    type Service = TowerToHyperService<S>;

    fn into_service(self) -> TowerToHyperService<S> {
        TowerToHyperService::new(self)
    }
}
