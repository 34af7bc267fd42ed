//! HTTP knowledge: the server, bodies and answers.
