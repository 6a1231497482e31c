//! One TCP connection that never blocks: what the kernel does not take at once waits here.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: TcpStream,
    unsent: Vec<u8>,
    written: u64,
}

impl Stream {
    /// Begins to connect. A small receive buffer makes the other side notice early that nobody reads.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(crate) fn connect(
        to: SocketAddrV4,
        from: Ipv4Addr,
        receive_buffer: Option<usize>,
    ) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if let Some(size) = receive_buffer {
            sockopt::set_socket_recv_buffer_size(&socket, size)?;
        }
        if from != Ipv4Addr::LOCALHOST {
            rustix::net::bind(&socket, &SocketAddrV4::new(from, 0))?;
        }
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            socket: socket.into(),
            unsent: Vec::new(),
            written: 0,
        })
    }

    /// Sends bytes, at once or when the kernel takes them.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.unsent.is_empty() {
            self.write(bytes)?
        } else {
            0
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Goes on with what waits.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let waiting = std::mem::take(&mut self.unsent);
            let sent = self.write(&waiting)?;
            self.unsent = waiting;
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    /// Reads what is there, up to the space given; nothing if nothing is, 0 bytes at the end.
    ///
    /// # Errors
    /// The connection is broken.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.read(space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                read => return read.map(Some),
            }
        }
    }

    /// What the kernel took so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.socket.write(&bytes[sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => sent += count,
                Err(error) if waits(&error) => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written += sent as u64;
        Ok(sent)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether to try again when the kernel says so, as also before the connection stands.
fn waits(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected
    )
}
