//! The rights of clients of the control socket: the host's user and root do everything, and members of the group `readers` of
//! `[play.control]` only look.

/// The rights of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Operator,
    /// Requests that only look.
    Reader,
}

/// The process at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) user: u32,
    /// Its own group.
    pub(crate) group: u32,
    /// Its other groups, as far as they are known.
    pub(crate) others: Vec<u32>,
}

/// The role of a process at a host of user `me`. `readers`: the group whose members may look.
pub(crate) fn role(peer: &Peer, me: u32, readers: Option<u32>) -> Option<Role> {
    if is_operator(peer.user, me) {
        return Some(Role::Operator);
    }
    let is_member = |group: u32| peer.group == group || peer.others.contains(&group);
    readers.is_some_and(is_member).then_some(Role::Reader)
}

/// Whether a user may do everything: the host's own user may, and root, which has all rights anyway.
pub(crate) fn is_operator(user: u32, me: u32) -> bool {
    user == me || user == 0
}

/// The commands of readers, for errors.
pub(crate) const LOOKS: &str = "tree, why, health, logs, log-level without arguments, dead-letters list, mailbox list, \
                                state keys, store info";

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(user: u32, group: u32, others: &[u32]) -> Peer {
        Peer { user, group, others: others.to_vec() }
    }

    #[test]
    fn hosts_user_and_root_do_everything() {
        assert_eq!(role(&peer(5, 5, &[]), 5, None), Some(Role::Operator));
        assert_eq!(role(&peer(0, 0, &[]), 5, None), Some(Role::Operator));
        assert_eq!(role(&peer(5, 9, &[9]), 5, Some(9)), Some(Role::Operator), "also as a member of the group");
        assert!(is_operator(5, 5) && is_operator(0, 5) && !is_operator(6, 5) && !is_operator(6, 0));
    }

    #[test]
    fn members_of_the_group_look_and_others_have_no_role() {
        assert_eq!(role(&peer(6, 9, &[]), 5, Some(9)), Some(Role::Reader));
        assert_eq!(role(&peer(6, 6, &[1, 9]), 5, Some(9)), Some(Role::Reader));
        assert_eq!(role(&peer(6, 6, &[1]), 5, Some(9)), None);
        assert_eq!(role(&peer(6, 9, &[9]), 5, None), None, "without the key there are no readers");
        assert_eq!(role(&peer(6, 5, &[]), 5, Some(9)), None, "the host's own group has no rights");
    }
}
