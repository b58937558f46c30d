//! WebSockets: a live run's input and events, a session's terminal.

use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use http::{Method, Request, header};
use madang_model::TerminalSize;
use madang_public_api::StreamEvent;
use serde::Serialize;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, handshake::client::generate_key},
};

use crate::{
    ClientError, Place,
    error::read_problem,
    signing::Signed,
    transport::{Carrier, dial},
};

const DOING: &str = "attached";

/// Something the other side said.
#[derive(Debug)]
pub enum Said {
    /// Bytes of a terminal.
    Bytes(Vec<u8>),
    /// An event of the run.
    Event(Box<StreamEvent>),
}

/// What a text frame to the server says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Control {
    Resize(TerminalSize),
    StdinEnd(bool),
    Interrupt(bool),
}

type Socket = WebSocketStream<Box<dyn Carrier>>;

/// A WebSocket into a run or a terminal, as two halves that wait for nothing of each other. Dropping both detaches; what runs goes on.
#[derive(Debug)]
pub struct Attachment {
    pub input: AttachedInput,
    pub output: AttachedOutput,
}

/// What we say.
#[derive(Debug)]
pub struct AttachedInput(SplitSink<Socket, Message>);

/// What the other side says.
#[derive(Debug)]
pub struct AttachedOutput(SplitStream<Socket>);

impl Attachment {
    pub(crate) async fn open(place: &Place, path: &str) -> Result<Self, ClientError> {
        let mut request = Request::get(format!("ws://{}{path}", place.endpoint.authority()))
            .header(header::HOST, place.endpoint.authority())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        if let (Some(token), None) = (&place.token, &place.key) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request.body(()).map_err(|error| ClientError::answer(DOING, error))?;
        if let Some(key) = &place.key {
            key.sign(&Method::GET, path, request.headers_mut(), Signed::Bytes(b""))?;
        }
        let stream = dial(&place.endpoint).await?;
        match client_async(request, stream).await {
            Ok((socket, _)) => {
                let (input, output) = socket.split();
                Ok(Self { input: AttachedInput(input), output: AttachedOutput(output) })
            }
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(ClientError::Refused(read_problem(response.status(), body)))
            }
            Err(error) => Err(ClientError::broken(DOING, error)),
        }
    }
}

impl AttachedInput {
    /// Bytes for the program's standard input.
    pub async fn input(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        self.send(Message::Binary(bytes.into())).await
    }

    /// No more input follows.
    pub async fn input_end(&mut self) -> Result<(), ClientError> {
        self.control(Control::StdinEnd(true)).await
    }

    pub async fn resize(&mut self, size: TerminalSize) -> Result<(), ClientError> {
        self.control(Control::Resize(size)).await
    }

    /// What Ctrl-C does.
    pub async fn interrupt(&mut self) -> Result<(), ClientError> {
        self.control(Control::Interrupt(true)).await
    }

    async fn control(&mut self, control: Control) -> Result<(), ClientError> {
        let text = serde_json::to_string(&control).map_err(|error| ClientError::answer(DOING, error))?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        self.0.send(message).await.map_err(|error| ClientError::broken(DOING, error))
    }
}

impl AttachedOutput {
    /// What the other side says next; none when it has hung up. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<Said>, ClientError> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(Said::Bytes(bytes.to_vec()))),
                Some(Ok(Message::Text(text))) => {
                    let event = serde_json::from_str(&text).map_err(|error| ClientError::answer(DOING, error))?;
                    return Ok(Some(Said::Event(Box::new(event))));
                }
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ClientError::broken(DOING, error)),
            }
        }
    }
}
