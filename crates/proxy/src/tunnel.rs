//! Upgrades: WebSockets and whatever else an app agrees to, and bytes alone for apps that speak no HTTP.

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    header::{self, HeaderValue},
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;

use crate::{
    body::{ProxyBody, RequestBody, Until},
    crew::Worker,
    forward::{self, Answered, Ended},
    pool::{Key, Place},
    prefixed::ClientStream,
    refusal::Refusal,
    relay::relay,
    serve,
    upstream::BoxStream,
};

/// What a client asks for in `Upgrade` to reach an app that speaks no HTTP.
pub(crate) const TCP: &str = "madang-tcp";

/// The protocol that a request asks to change to. None: it asks for none, or for another HTTP, which would go past everything we check.
pub(crate) fn wanted(request: &Request<Incoming>) -> Result<Option<HeaderValue>, Refusal> {
    let headers = request.headers();
    if request.version() != Version::HTTP_11 || !headers.contains_key(header::UPGRADE) {
        return Ok(None);
    }
    let lines = headers.get_all(header::CONNECTION).iter().filter_map(|line| line.to_str().ok());
    if !lines.flat_map(|line| line.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade")) {
        return Ok(None);
    }
    let asked = headers.get_all(header::UPGRADE).iter().filter_map(|line| line.to_str().ok());
    let mut asked =
        asked.flat_map(|line| line.split(',')).map(str::trim).filter(|name| !name.is_empty() && !is_http(name));
    let Some(first) = asked.next() else { return Ok(None) };
    if asked.next().is_some() {
        return Err(Refusal::Malformed("the request asks for more than one protocol"));
    }
    if !request.body().is_end_stream() || request.method() != Method::GET {
        return Err(Refusal::Malformed("a request that asks for another protocol is a GET without a body"));
    }
    HeaderValue::from_str(first).map(Some).map_err(|_| Refusal::Malformed("the protocol cannot be read"))
}

/// Other versions of HTTP, or TLS with one inside.
fn is_http(name: &str) -> bool {
    let begins = |with: &str| name.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    begins("h2") || begins("h3") || begins("http") || begins("tls")
}

/// What a tunnel needs besides its ends.
pub(crate) struct Tunnel {
    pub key: Key,
    pub wanted: HeaderValue,
    pub client: OnUpgrade,
    pub until: Until,
}

impl Tunnel {
    /// Asks the app; `request` is fit for it but for what it asks to become. What the app answers is as it came.
    pub async fn ask(self, worker: &Worker, mut request: Request<RequestBody>) -> Result<Response<ProxyBody>, Refusal> {
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(header::UPGRADE, self.wanted.clone());
        let channel = worker.pool.open(self.key).await?;
        let answered = forward::ask(channel, request, &self.until).await.map_err(|lost| lost.why)?;
        if answered.response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return answered.pass_on(self.until);
        }
        let Answered { response, mut channel, ended } = answered;
        let (parts, _) = response.into_parts();
        if !parts.headers.get(header::UPGRADE).is_some_and(|name| same(name, &self.wanted)) {
            return Err(Refusal::Gone);
        }
        if ended == Ended::No {
            // It ends by giving up its stream.
            std::future::poll_fn(|cx| channel.connection.drive(cx)).await.map_err(|_| Refusal::Gone)?;
        }
        let (app, early, place) = channel.into_stream();
        self.run(worker, Ends { app, early, place });
        Ok(Response::from_parts(parts, ProxyBody::from(Bytes::new())))
    }

    /// To an app that speaks no HTTP.
    pub async fn open(self, worker: &Worker) -> Result<Response<ProxyBody>, Refusal> {
        let (app, place) = worker.pool.connect(self.key).await?;
        self.run(worker, Ends { app, early: Bytes::new(), place });
        let mut answer = Response::new(ProxyBody::from(Bytes::new()));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok(answer)
    }

    /// Carries bytes from when the client has its answer until an end is reached, the ticket's included.
    fn run(self, worker: &Worker, ends: Ends) {
        let Self { client, until, key, .. } = self;
        let mut stopping = worker.proxy.stopping();
        let until = until.instant();
        tokio::spawn(async move {
            let Ends { app, early, place } = ends;
            let carry = Box::pin(async {
                let Ok(upgraded) = client.await else { return };
                if let Err(error) = carry(upgraded, app, early).await {
                    tracing::trace!(app = %key.0, %error, "a tunnel broke off");
                }
            });
            tokio::select! {
                () = carry => {}
                () = tokio::time::sleep_until(until) => {}
                () = serve::stopped(&mut stopping) => {}
            }
            drop(place);
        });
    }
}

/// The app's end of a tunnel.
struct Ends {
    app: BoxStream,
    /// What the app said right after it had agreed.
    early: Bytes,
    place: Place,
}

async fn carry(upgraded: Upgraded, app: BoxStream, early: Bytes) -> std::io::Result<()> {
    match upgraded.downcast::<TokioIo<ClientStream>>() {
        Ok(parts) => relay(parts.io.into_inner(), early, app, parts.read_buf).await,
        // A stream of an HTTP/2 connection.
        Err(upgraded) => relay(TokioIo::new(upgraded), early, app, Bytes::new()).await,
    }
}

/// Says what the connection becomes: what was said of that before belonged to the app's.
pub(crate) fn say(response: &mut Response<ProxyBody>, protocol: &HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, protocol.clone());
}

/// Names of protocols do not tell upper from lower case.
fn same(one: &HeaderValue, other: &HeaderValue) -> bool {
    one.as_bytes().eq_ignore_ascii_case(other.as_bytes())
}
