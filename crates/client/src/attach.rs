//! WebSockets: a live run's input and events, a session's terminal.

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, header};
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

/// A WebSocket into a run or a terminal. Dropping it detaches; what runs goes on.
pub struct Attachment {
    socket: WebSocketStream<Box<dyn Carrier>>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

impl Attachment {
    pub(crate) async fn open(place: &Place, path: &str) -> Result<Self, ClientError> {
        let mut request = Request::get(format!("ws://{}{path}", place.endpoint.authority()))
            .header(header::HOST, place.endpoint.authority())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        if let Some(token) = &place.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(()).map_err(|error| ClientError::answer(DOING, error))?;
        let stream = dial(&place.endpoint).await?;
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(ClientError::Refused(read_problem(response.status(), body)))
            }
            Err(error) => Err(ClientError::broken(DOING, error)),
        }
    }

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

    /// What the other side says next; none when it has hung up. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<Said>, ClientError> {
        loop {
            match self.socket.next().await {
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

    async fn control(&mut self, control: Control) -> Result<(), ClientError> {
        let text = serde_json::to_string(&control).map_err(|error| ClientError::answer(DOING, error))?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), ClientError> {
        self.socket.send(message).await.map_err(|error| ClientError::broken(DOING, error))
    }
}
