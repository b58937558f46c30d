//! What a node and the init of a slot say to each other.
