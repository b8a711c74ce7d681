// librabbitmq for Swift. amqp_login* and prctl are variadic and eventfd's flags are an enum, neither of which Swift
// imports; the inline functions below are the whole of our C.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/time.h>

// 0.12 moved the headers to rabbitmq-c/ and left warnings at the old places.
#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

/// `amqp_login_with_properties` with SASL PLAIN, without the variadic arguments.
static inline amqp_rpc_reply_t goldsmith_amqp_login_plain(
    amqp_connection_state_t connection, const char *vhost, int channel_max, int frame_max, int heartbeat,
    const amqp_table_t *properties, const char *user, const char *password) {
    return amqp_login_with_properties(
        connection, vhost, channel_max, frame_max, heartbeat, properties, AMQP_SASL_METHOD_PLAIN, user, password);
}

static inline int goldsmith_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

/// Names the calling thread, for tools such as top -H; the kernel keeps 15 characters.
static inline void goldsmith_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
