//! A gate in front of a registry that behaves as networks and registries do: cuts, lies, asks for tokens, sends elsewhere.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use base64::Engine as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What the gate does to requests for blobs; manifests pass.
#[derive(Clone, Default)]
pub struct Manners {
    /// Cuts the connection after so many bytes of an answer, so many times.
    pub cut: Option<(usize, usize)>,
    /// Changes a byte of every blob.
    pub corrupt: bool,
    /// Says nothing of ranges and always begins at the beginning.
    pub forget_ranges: bool,
    /// Answers `302` to the same path at this address.
    pub elsewhere: Option<String>,
    /// Wants a token, given to this `user:password`, for everything.
    pub token_for: Option<String>,
    /// Answers `503` so many times.
    pub unavailable: usize,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

#[derive(Clone)]
pub struct Gate {
    pub address: String,
    upstream: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    manners: Arc<Mutex<Manners>>,
}

const TOKEN: &str = "only-for-the-gate";

impl Gate {
    pub async fn open(upstream: &str, manners: Manners) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate {
            address: listener.local_addr().unwrap().to_string(),
            upstream: upstream.to_owned(),
            seen: Arc::default(),
            manners: Arc::new(Mutex::new(manners)),
        };
        let kept = gate.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let gate = gate.clone();
                // A broken connection is what the gate is for.
                tokio::spawn(async move { gate.serve(client).await.ok() });
            }
        });
        kept
    }

    pub fn behave(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    /// Requests for blobs, in order.
    pub fn blobs(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path.contains("/blobs/")).collect()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let seen = read_head(&mut client).await?;
        self.seen.lock().unwrap().push(seen.clone());
        let length = seen.headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        client.read_exact(&mut body).await?;
        let manners = self.manners.lock().unwrap().clone();
        if let Some(user) = &manners.token_for {
            if seen.path.starts_with("/token") {
                return self.token(client, &seen, user).await;
            }
            if seen
                .headers
                .get("authorization")
                .is_none_or(|value| *value != format!("Bearer {TOKEN}-{}", needed(&seen)))
            {
                let ask = format!(
                    r#"Bearer realm="http://{}/token",service="gate",scope="repository:x:{}""#,
                    self.address,
                    needed(&seen)
                );
                return answer(&mut client, "401 Unauthorized", &format!("www-authenticate: {ask}\r\n"), "").await;
            }
        }
        if seen.path.contains("/blobs/") {
            if self.take_unavailable() {
                return answer(&mut client, "503 Service Unavailable", "", "busy").await;
            }
            if let Some(other) = &manners.elsewhere {
                return answer(&mut client, "302 Found", &format!("location: http://{other}{}\r\n", seen.path), "")
                    .await;
            }
        }
        self.forward(client, seen, &body, manners).await
    }

    async fn token(&self, mut client: TcpStream, seen: &Seen, user: &str) -> io::Result<()> {
        let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(user));
        let scope = seen.path.split_once("service=gate&scope=repository%3Ax%3A").expect("what the gate asked for").1;
        if seen.headers.get("authorization") == Some(&expected) {
            let scope = scope.replace("%2C", ",");
            return answer(&mut client, "200 OK", "", &format!(r#"{{"token":"{TOKEN}-{scope}"}}"#)).await;
        }
        answer(&mut client, "401 Unauthorized", "", "{}").await
    }

    async fn forward(&self, mut client: TcpStream, seen: Seen, body: &[u8], manners: Manners) -> io::Result<()> {
        let mut upstream = TcpStream::connect(&self.upstream).await?;
        // The registry says where uploads go by the name that it is called.
        let mut head =
            format!("{} {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", seen.method, seen.path, self.address);
        let blob = seen.path.contains("/blobs/");
        for (name, value) in &seen.headers {
            let passes =
                matches!(name.as_str(), "accept" | "range" | "content-type" | "content-range" | "content-length")
                    || (name == "authorization" && manners.token_for.is_none());
            if passes && !(blob && manners.forget_ranges && name == "range") {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        upstream.write_all(format!("{head}\r\n").as_bytes()).await?;
        upstream.write_all(body).await?;
        let mut whole = Vec::new();
        upstream.read_to_end(&mut whole).await?;
        if blob && manners.corrupt {
            *whole.last_mut().expect("an answer") ^= 1;
        }
        let body = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let end =
            if blob { self.take_cut().map_or(whole.len(), |max| whole.len().min(body + max)) } else { whole.len() };
        client.write_all(&whole[..end]).await?;
        client.shutdown().await
    }

    fn take_cut(&self) -> Option<usize> {
        let mut manners = self.manners.lock().unwrap();
        let (bytes, times) = manners.cut.as_mut()?;
        *times = times.checked_sub(1)?;
        Some(*bytes)
    }

    fn take_unavailable(&self) -> bool {
        let mut manners = self.manners.lock().unwrap();
        let some = manners.unavailable > 0;
        manners.unavailable = manners.unavailable.saturating_sub(1);
        some
    }
}

/// What a token must be good for.
fn needed(seen: &Seen) -> &'static str {
    if matches!(seen.method.as_str(), "GET" | "HEAD") { "pull" } else { "pull,push" }
}

async fn read_head(client: &mut TcpStream) -> io::Result<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("requests are ASCII");
    let mut lines = head.lines();
    let (method, path) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
    let (method, path) = (method.to_owned(), path.split(' ').next().expect("a path").to_owned());
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Ok(Seen { method, path, headers })
}

async fn answer(client: &mut TcpStream, status: &str, headers: &str, body: &str) -> io::Result<()> {
    let text =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len());
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}
