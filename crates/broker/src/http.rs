//! For Prometheus `/metrics` and, group by group, `/metrics/groups`; `/health`; and `/log` for the log's levels. All on an
//! address that must be asked for.

use crate::broker::Broker;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tracing::{debug, info, warn};

const HEADER_DEADLINE: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 4096;

/// Serves until the broker stops.
pub(crate) async fn serve(broker: Arc<Broker>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = broker.stopping.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = broker.clone();
                let service = service_fn(move |request| answer(served.clone(), request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_DEADLINE)
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), service);
                broker.connections.spawn(async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "an HTTP connection failed");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer(broker: Arc<Broker>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, broker.render_metrics().await),
        (&Method::GET, "/metrics/groups") => (StatusCode::OK, broker.render_group_metrics().await),
        (&Method::GET, "/health") => health(&broker),
        (&Method::GET, "/log") => (StatusCode::OK, broker.log_levels.get() + "\n"),
        (&Method::PUT, "/log") => set_levels(&broker, request).await,
        (_, "/metrics" | "/metrics/groups" | "/health" | "/log") => {
            (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, "here are /metrics, /metrics/groups, /health and /log\n".to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let text = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, text);
    Ok(response)
}

fn health(broker: &Broker) -> (StatusCode, String) {
    match broker.unhealthy() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}

async fn set_levels(broker: &Broker, request: Request<Incoming>) -> (StatusCode, String) {
    let body = match Limited::new(request.into_body(), MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let filter = String::from_utf8_lossy(&body).trim().to_owned();
    match broker.log_levels.set(&filter) {
        Ok(()) => {
            info!(filter, "log levels changed");
            (StatusCode::OK, "ok\n".to_owned())
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}\n")),
    }
}
