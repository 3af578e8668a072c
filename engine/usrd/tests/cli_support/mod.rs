//! Running the built `usrd`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command that is ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
}

impl Running {
    /// Starts `usrd` with both outputs captured.
    pub(crate) fn start(args: &[&str]) -> Self {
        let child = command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        Self { child }
    }

    /// Waits for the end, and takes the outputs.
    pub(crate) fn finish(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().expect("its state can be asked").is_none() {
            assert!(Instant::now() < deadline, "usrd does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        if let Some(mut pipe) = self.child.stdout.take() {
            std::io::Read::read_to_end(&mut pipe, &mut stdout).expect("its output can be read");
        }
        if let Some(mut pipe) = self.child.stderr.take() {
            std::io::Read::read_to_end(&mut pipe, &mut stderr).expect("its output can be read");
        }
        let status = self.child.wait().expect("it has ended");
        Output { status, stdout, stderr }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server, and the address that it says it is at.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) address: String,
    output: BufReader<std::process::ChildStdout>,
}

impl Server {
    /// Starts a server at `listen`.
    pub(crate) fn start(listen: &str, more: &[&str]) -> Self {
        let mut running = Running::start(&[&["perf", "--listen", listen], more].concat());
        let stdout = running.child.stdout.take().expect("it is captured");
        let mut output = BufReader::new(stdout);
        let mut line = String::new();
        output.read_line(&mut line).expect("its output can be read");
        let address = match line.trim().strip_prefix("listening on ") {
            Some(address) => address.to_owned(),
            None => panic!("not a server: {line:?}; {:?}", running.finish()),
        };
        Self { running, address, output }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its output can be read");
        line
    }
}

/// Runs `usrd` to its end.
pub(crate) fn usrd(args: &[&str]) -> Output {
    Running::start(args).finish()
}

/// Runs `usrd` to a good end, and returns the JSON that it prints.
pub(crate) fn usrd_json(args: &[&str]) -> Value {
    let output = usrd(args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
}

/// Both outputs, for messages.
pub(crate) fn text(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    format!("{}\n{stdout}\n{stderr}", output.status)
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_usrd"));
    command.args(args);
    command
}

/// Many times what anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
