//! Brokers that ask who comes: TLS, passwords, certificates.

use super::*;
use crate::Error;

/// Longest wait for an answer that is a refusal.
const SHORT: Duration = Duration::from_secs(5);

fn login(address: &str, secure: &Secure, mechanism: SaslMechanism) -> LogOptions {
    let mut log = log_options(address);
    log.tls = Some(Tls {
        ca_file: Some(secure.authority()),
        certificate: None,
    });
    log.sasl = Some(Sasl {
        mechanism,
        username: "edge".to_owned(),
        password: Password::new(PASSWORD),
    });
    log
}

/// What somebody is told who cannot come in: one line, without the password.
fn refusal(log: &LogOptions) -> String {
    let error = require_topics(log, SHORT).unwrap_err();
    assert!(matches!(error, Error::Log { .. }), "{error:?}");
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains(PASSWORD), "{line}");
    assert!(line.starts_with("kafka at 127.0.0.1:"), "{line}");
    line
}

#[test]
fn events_go_through_tls_with_each_kind_of_password_and_with_certificates() {
    let test = "events_go_through_tls_with_each_kind_of_password_and_with_certificates";
    let Some((_broker, secure, [with_login, mutual])) = Broker::start_secure(test) else {
        return;
    };
    let mut certified = log_options(&mutual);
    certified.tls = Some(Tls {
        ca_file: Some(secure.authority()),
        certificate: Some(secure.own()),
    });
    let site = tempfile::tempdir().unwrap();
    let events = events(1_200);
    let ways = [
        login(&with_login, &secure, SaslMechanism::Plain),
        login(&with_login, &secure, SaslMechanism::ScramSha256),
        login(&with_login, &secure, SaslMechanism::ScramSha512),
        certified,
    ];
    create_topics(&ways[0], LONG).unwrap();
    for (log, part) in ways.iter().zip(events.chunks(300)) {
        // Each way sends a part, and indexes it.
        let edge = tempfile::tempdir().unwrap();
        let publisher = publish(edge.path(), log);
        append(&publisher.writer(), part);
        publisher.drain(LONG).unwrap();
        assert_eq!(publisher.status().send.sent, 300);
        publisher.close().unwrap();
        let receiver = receive(&open_store(site.path()), log);
        receiver.catch_up(LONG).unwrap();
        let status = receiver.status();
        assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
        receiver.close().unwrap();
    }
    assert_holds(&open_store(site.path()), &events);
}

#[test]
fn a_wrong_password_authority_or_certificate_is_told_in_one_line_and_mended_without_loss() {
    let test =
        "a_wrong_password_authority_or_certificate_is_told_in_one_line_and_mended_without_loss";
    let Some((broker, secure, [with_login, mutual])) = Broker::start_secure(test) else {
        return;
    };
    let right = login(&with_login, &secure, SaslMechanism::ScramSha512);
    create_topics(&right, LONG).unwrap();
    for mechanism in [
        SaslMechanism::Plain,
        SaslMechanism::ScramSha256,
        SaslMechanism::ScramSha512,
    ] {
        let mut wrong = login(&with_login, &secure, mechanism);
        wrong.sasl.as_mut().unwrap().password = Password::new("another");
        let line = refusal(&wrong);
        assert!(
            line.contains("refuses the user name or the password"),
            "{line}"
        );
        assert!(!line.contains("another"), "{line}");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = Secure::make(elsewhere.path());
    let mut other_authority = right.clone();
    other_authority.tls.as_mut().unwrap().ca_file = Some(stranger.authority());
    let line = refusal(&other_authority);
    assert!(line.contains("`ca_file`"), "{line}");
    let mut uncertified = login(&mutual, &secure, SaslMechanism::Plain);
    uncertified.sasl = None;
    let line = refusal(&uncertified);
    assert!(line.contains("`certificate_file`"), "{line}");
    let mut plain_there = right.clone();
    plain_there.brokers = vec![broker.address.clone()];
    let line = refusal(&plain_there);
    assert!(line.contains("`security`"), "{line}");

    // A box with a wrong password goes on watching; with the right one nothing is missing.
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(300);
    let publisher = publish(edge.path(), &other_authority);
    append(&publisher.writer(), &events);
    until("the box says what is wrong", || {
        let trouble = publisher.status().send.trouble;
        trouble.is_some_and(|text| text.contains("`ca_file`"))
    });
    assert_eq!(publisher.status().spool.records, 300);
    publisher.close().unwrap();
    let publisher = publish(edge.path(), &right);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &right);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    assert_holds(&store, &events);
}
