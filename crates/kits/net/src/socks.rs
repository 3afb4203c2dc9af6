//! Tunnels through proxies of SOCKS 5 (RFC 1928), with a name and a password (RFC 1929) or without.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Makes a connection to a proxy one to the server behind it. `user` is what stands before the `@` of the proxy's URL:
/// a name, and a password behind a colon, percent-encoded. Errors are the words that Go's library has for them.
pub async fn tunnel<S>(stream: &mut S, user: Option<&str>, host: &str, port: u16) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let text = |error: std::io::Error| error.to_string();
    let methods: &[u8] = if user.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods).await.map_err(text)?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await.map_err(text)?;
    match (choice, user) {
        ([5, 0], _) => {}
        ([5, 2], Some(user)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let mut message = vec![1];
            for part in [name, password] {
                let part = crate::client::percent_decoded(part);
                message.push(u8::try_from(part.len()).map_err(|_| "a name or password is too long")?);
                message.extend_from_slice(&part);
            }
            stream.write_all(&message).await.map_err(text)?;
            stream.read_exact(&mut choice).await.map_err(text)?;
            if choice[1] != 0 {
                return Err("username/password authentication failed".into());
            }
        }
        _ => return Err("no acceptable authentication methods".into()),
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut message = vec![5, 1, 0];
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            message.push(3);
            message.push(u8::try_from(bare.len()).map_err(|_| "the host's name is too long")?);
            message.extend_from_slice(bare.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&message).await.map_err(text)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.map_err(text)?;
    if answer[1] != 0 {
        let known = [
            "general SOCKS server failure",
            "connection not allowed by ruleset",
            "network unreachable",
            "host unreachable",
            "connection refused",
            "TTL expired",
            "command not supported",
            "address type not supported",
        ];
        let code = usize::from(answer[1]);
        return Err(known.get(code - 1).map_or_else(|| format!("unknown code {code}"), ToString::to_string));
    }
    let address_bytes = match answer[3] {
        1 => 4,
        4 => 16,
        _ => usize::from(stream.read_u8().await.map_err(text)?),
    };
    let mut bound = [0; 257];
    let bound = bound.get_mut(..address_bytes + 2).ok_or("an address is too long")?;
    stream.read_exact(bound).await.map_err(text)?;
    Ok(())
}
