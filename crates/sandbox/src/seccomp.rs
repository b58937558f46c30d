//! Which system calls guests may make.
//!
//! Three programs, all of which must agree: an allow-list that answers EPERM to what is not on it; a list that answers ENOSYS to
//! calls whose callers know how to do without (so that probes fail softly); and a list of calls no honest program makes, which end
//! the process. Compiled once in the node and shipped as bytes: compiling after a fork would allocate there.

mod lists;

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

/// The filter cannot be built: a mistake in our lists.
#[derive(Debug, thiserror::Error)]
#[error("cannot compile the system call filter: {0}")]
pub struct SeccompError(#[from] seccompiler::BackendError);

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The programs as arrays of `sock_filter`, in the order in which they are to be loaded.
pub fn programs() -> Result<Vec<Vec<u8>>, SeccompError> {
    let eperm = SeccompAction::Errno(libc::EPERM as u32);
    let enosys = SeccompAction::Errno(libc::ENOSYS as u32);
    let allowed = rules_with_clone()?;
    let filters = [
        filter(allowed, eperm, SeccompAction::Allow)?,
        filter(plain(lists::ABSENT), SeccompAction::Allow, enosys)?,
        filter(plain(lists::FATAL), SeccompAction::Allow, SeccompAction::KillProcess)?,
    ];
    Ok(filters.iter().map(bytes).collect())
}

fn filter(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<BpfProgram, SeccompError> {
    let arch = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

fn plain(calls: &[i64]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// The allow-list, with what may be allowed only for some arguments.
fn rules_with_clone() -> Result<Rules, SeccompError> {
    let mut rules = plain(lists::ALLOWED);
    // New namespaces would hand out capabilities over fresh kernel surface.
    let no_namespaces = condition(0, SeccompCmpOp::MaskedEq(lists::NAMESPACE_FLAGS), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_namespaces])?]);
    let (unix, pairs) = (condition(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?, libc::SYS_socketpair);
    // A family is asked to make both ends before it says that it has no pairs: others are not to be reached this way.
    rules.insert(pairs, vec![SeccompRule::new(vec![unix.clone()])?]);
    let mut sockets = vec![SeccompRule::new(vec![unix])?];
    for (family, kind, protocol) in lists::INTERNET_SOCKETS {
        sockets.push(SeccompRule::new(vec![
            condition(0, SeccompCmpOp::Eq, family)?,
            condition(1, SeccompCmpOp::MaskedEq(lists::SOCKET_KIND_MASK), kind)?,
            condition(2, SeccompCmpOp::Eq, protocol)?,
        ])?);
    }
    // Routing netlink only: getifaddrs() and friends ask it what interfaces there are.
    let netlink = condition(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64)?;
    let route = condition(2, SeccompCmpOp::Eq, libc::NETLINK_ROUTE as u64)?;
    sockets.push(SeccompRule::new(vec![netlink, route])?);
    rules.insert(libc::SYS_socket, sockets);
    // Linux's own, one that old programs ask for (UNAME26), and the question which it is.
    let personalities = [0, 0x0002_0000, 0xffff_ffff];
    let personalities =
        personalities.iter().map(|&value| Ok(SeccompRule::new(vec![condition(0, SeccompCmpOp::Eq, value)?])?));
    rules.insert(libc::SYS_personality, personalities.collect::<Result<_, SeccompError>>()?);
    // Typing into the terminal of somebody else, and the console's own escapes.
    let ioctls = [libc::TIOCSTI, libc::TIOCLINUX];
    let others = ioctls.iter().map(|&call| condition(1, SeccompCmpOp::Ne, call)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(others)?]);
    Ok(rules)
}

fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    let instruction = |i: &seccompiler::sock_filter| {
        let (code, k) = (i.code.to_ne_bytes(), i.k.to_ne_bytes());
        [code[0], code[1], i.jt, i.jf, k[0], k[1], k[2], k[3]]
    };
    program.iter().flat_map(instruction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_fit_a_packet_and_the_kernel() {
        let programs = programs().unwrap();
        assert_eq!(programs.len(), 3);
        let total: usize = programs.iter().map(Vec::len).sum();
        assert!(total < madang_slot_api::FRAME_BYTES_MAX / 2, "{total} bytes");
        assert!(programs.iter().all(|program| program.len() / 8 <= 4096));
    }

    #[test]
    fn no_call_is_on_two_lists() {
        for call in lists::FATAL {
            assert!(!lists::ALLOWED.contains(call) && !lists::ABSENT.contains(call), "{call}");
        }
    }
}
