//! Debian's registry server on a loopback port, and an uploader for it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use base64::Engine as _;
use madang_image::Digest;

use crate::making::{INDEX, Layer, MANIFEST, config_of, descriptor, manifest_of};

/// Runs until dropped.
pub struct Registry {
    pub address: String,
    /// The authority of its certificate, if it has one.
    pub authority: PathBuf,
    user: Option<String>,
    #[allow(dead_code)] // Ends the registry when it goes.
    child: Running,
}

struct Running(Child);

impl Registry {
    pub fn start(user: Option<&str>) -> Registry {
        let options: Vec<&str> = user.iter().flat_map(|user| ["--user", user]).collect();
        Registry { user: user.map(str::to_owned), ..Registry::with(&options) }
    }

    /// Starts with options of `scripts/with-registry`.
    pub fn with(options: &[&str]) -> Registry {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/with-registry");
        let mut command = Command::new(script);
        // It ends when its standard input does, also when this process dies.
        command.args(options).args(["sh", "-c", "echo $REGISTRY; echo $REGISTRY_AUTHORITY; cat >/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.next().expect("the registry did not start; run scripts/install-test-tools");
        let authority = lines.next().unwrap().into();
        Registry { address, authority, user: None, child: Running(child) }
    }

    /// Uploads an image under a tag, behind an index if asked for; returns the digest of its manifest.
    pub fn push(&self, repository: &str, tag: &str, layers: &[Layer], index: Behind) -> Digest {
        let config = config_of(layers).to_string().into_bytes();
        for blob in layers.iter().map(|layer| &layer.packed).chain([&config]) {
            self.upload(repository, blob);
        }
        let manifest = manifest_of(&config, layers).to_string().into_bytes();
        let digest = Digest::of(&manifest);
        match index {
            Behind::Nothing => self.put_manifest(repository, tag, MANIFEST, &manifest),
            Behind::Index => {
                self.put_manifest(repository, &digest.to_string(), MANIFEST, &manifest);
                let mut ours = descriptor(MANIFEST, &manifest);
                ours["platform"] = serde_json::json!({"os": "linux", "architecture": crate::making::architecture()});
                let index = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [ours]});
                self.put_manifest(repository, tag, INDEX, index.to_string().as_bytes());
            }
        }
        digest
    }

    /// Uploads an image whose manifest says something else.
    pub fn push_with(
        &self,
        repository: &str,
        tag: &str,
        layers: &[Layer],
        change: impl FnOnce(&mut serde_json::Value),
    ) {
        let config = config_of(layers).to_string().into_bytes();
        for blob in layers.iter().map(|layer| &layer.packed).chain([&config]) {
            self.upload(repository, blob);
        }
        let mut manifest = manifest_of(&config, layers);
        change(&mut manifest);
        self.put_manifest(repository, tag, MANIFEST, manifest.to_string().as_bytes());
    }

    fn upload(&self, repository: &str, blob: &[u8]) {
        let (status, head) = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), "", &[]);
        assert_eq!(status, 202, "{head}");
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).expect("a place to upload to");
        let path = &location[location.find("/v2/").unwrap()..];
        let (status, head) =
            self.request("PUT", &format!("{path}&digest={}", Digest::of(blob)), "application/octet-stream", blob);
        assert_eq!(status, 201, "{head}");
    }

    fn put_manifest(&self, repository: &str, tag: &str, media: &str, bytes: &[u8]) {
        let (status, head) = self.request("PUT", &format!("/v2/{repository}/manifests/{tag}"), media, bytes);
        assert_eq!(status, 201, "{head}");
    }

    fn request(&self, method: &str, path: &str, media: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let user = self.user.as_ref().map(|user| base64::engine::general_purpose::STANDARD.encode(user));
        let login = user.map(|user| format!("authorization: Basic {user}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{login}content-type: {media}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, answer)
    }
}

/// What a tag leads to first.
pub enum Behind {
    Nothing,
    Index,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}
