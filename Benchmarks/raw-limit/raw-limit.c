// The raw limit: how fast this broker moves messages through four quorum queues when nothing is done with them.
//
// A producer publishes MESSAGES persistent messages of BYTES bytes to the first queue. One thread a queue, with a
// connection of its own, takes each message, publishes it to the next queue, waits for the broker's confirm and only
// then acknowledges what it took: the same promise that Goldsmith gives, and no state at all. Confirms are waited for in
// a window, and acknowledged many at once where the broker confirms many at once.
//
//   AMQP_URL=amqp://user:password@127.0.0.1:5672/ raw-limit MESSAGES BYTES WINDOW
//
// Prints one line of JSON: from the first publish to the acknowledgement in the last queue.
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOPS = 4 };

static struct amqp_connection_info server;
static long messages, bytes, window;
static char *body;

static void fail(const char *what) {
    fprintf(stderr, "raw-limit: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void require(amqp_connection_state_t link, const char *what) {
    if (amqp_get_rpc_reply(link).reply_type != AMQP_RESPONSE_NORMAL) fail(what);
}

static amqp_connection_state_t connect_to_server(void) {
    amqp_connection_state_t link = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(link);
    if (!socket || amqp_socket_open(socket, server.host, server.port)) fail("no connection");
    amqp_rpc_reply_t reply = amqp_login(link, server.vhost[0] ? server.vhost : "/", 0, 131072, 0,
                                        AMQP_SASL_METHOD_PLAIN, server.user, server.password);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) fail("login refused");
    amqp_channel_open(link, 1);
    require(link, "no channel");
    amqp_confirm_select(link, 1);
    require(link, "no confirms");
    return link;
}

static amqp_bytes_t queue_name(int hop, char *buffer, size_t size) {
    snprintf(buffer, size, "raw-limit.%d", hop);
    return amqp_cstring_bytes(buffer);
}

static void publish(amqp_connection_state_t link, int hop) {
    char name[32];
    amqp_basic_properties_t properties;
    memset(&properties, 0, sizeof properties);
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = 2;
    amqp_bytes_t content = {(size_t)bytes, body};
    if (amqp_basic_publish(link, 1, amqp_empty_bytes, queue_name(hop, name, sizeof name), 1, 0, &properties, content))
        fail("publish failed");
}

// The tags of what is on its way, oldest first; the broker's confirms and our deliveries are both numbered from 1.
struct flight {
    uint64_t *tags;      // by publish number, modulo the window: the delivery to acknowledge
    char *confirmed;     // by publish number, modulo the window
    uint64_t first, end; // unacknowledged publish numbers
};

static void confirm(struct flight *flight, const amqp_basic_ack_t *ack) {
    uint64_t from = ack->multiple ? flight->first : ack->delivery_tag;
    for (uint64_t number = from; number <= ack->delivery_tag; number++) flight->confirmed[number % window] = 1;
}

static struct flight new_flight(void) {
    struct flight flight = {calloc(window, sizeof(uint64_t)), calloc(window, 1), 1, 1};
    return flight;
}

static void *produce(void *unused) {
    amqp_connection_state_t link = connect_to_server();
    struct flight flight = new_flight();
    amqp_frame_t frame;
    long sent = 0;
    while ((long)flight.first <= messages) {
        while (sent < messages && (long)(flight.end - flight.first) < window) {
            publish(link, 0);
            flight.confirmed[flight.end++ % window] = 0;
            sent++;
        }
        amqp_maybe_release_buffers(link);
        if (amqp_simple_wait_frame(link, &frame)) fail("producer lost its connection");
        if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD)
            confirm(&flight, frame.payload.method.decoded);
        while (flight.first < flight.end && flight.confirmed[flight.first % window]) flight.first++;
    }
    amqp_connection_close(link, AMQP_REPLY_SUCCESS);
    return unused;
}

static void *move(void *argument) {
    int hop = (int)(long)argument, is_last = hop == HOPS - 1;
    char name[32];
    amqp_connection_state_t link = connect_to_server();
    struct flight flight = new_flight();
    amqp_basic_qos(link, 1, 0, (uint16_t)window, 0);
    require(link, "no prefetch");
    amqp_basic_consume(link, 1, queue_name(hop, name, sizeof name), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
    require(link, "no consumer");
    amqp_frame_t frame;
    uint64_t tag = 0, left = 0, settled = 0;
    long done = 0;
    while (done < messages) {
        amqp_maybe_release_buffers(link);
        if (amqp_simple_wait_frame(link, &frame)) fail("consumer lost its connection");
        if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_DELIVER_METHOD) {
            tag = ((amqp_basic_deliver_t *)frame.payload.method.decoded)->delivery_tag;
        } else if (frame.frame_type == AMQP_FRAME_METHOD && frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
            confirm(&flight, frame.payload.method.decoded);
        } else if (frame.frame_type == AMQP_FRAME_HEADER) {
            left = frame.payload.properties.body_size;
        } else if (frame.frame_type == AMQP_FRAME_BODY) {
            left -= frame.payload.body_fragment.len;
            if (left == 0 && is_last) {
                settled = tag;
                done++;
            } else if (left == 0) {
                publish(link, hop + 1);
                flight.tags[flight.end % window] = tag;
                flight.confirmed[flight.end++ % window] = 0;
            }
        }
        while (flight.first < flight.end && flight.confirmed[flight.first % window]) {
            settled = flight.tags[flight.first++ % window];
            done++;
        }
        // As many at once as there are, but no later than before the next wait.
        if (settled && (done == messages || (!amqp_frames_enqueued(link) && !amqp_data_in_buffer(link)))) {
            if (amqp_basic_ack(link, 1, settled, 1)) fail("acknowledgement failed");
            settled = 0;
        }
    }
    amqp_connection_close(link, AMQP_REPLY_SUCCESS);
    return NULL;
}

int main(int count, char **arguments) {
    char *url = getenv("AMQP_URL");
    if (count != 4 || !url) fail("usage: AMQP_URL=... raw-limit MESSAGES BYTES WINDOW");
    messages = atol(arguments[1]);
    bytes = atol(arguments[2]);
    window = atol(arguments[3]);
    if (messages < 1 || bytes < 1 || window < 1 || window > 65535) fail("numbers out of range");
    amqp_default_connection_info(&server);
    if (amqp_parse_url(strdup(url), &server)) fail("AMQP_URL is malformed");
    body = malloc(bytes);
    memset(body, 'x', bytes);

    amqp_connection_state_t link = connect_to_server();
    amqp_table_entry_t entries[3];
    memset(entries, 0, sizeof entries);
    entries[0].key = amqp_cstring_bytes("x-queue-type");
    entries[0].value.kind = AMQP_FIELD_KIND_UTF8;
    entries[0].value.value.bytes = amqp_cstring_bytes("quorum");
    amqp_table_t options = {1, entries};
    char name[32];
    for (int hop = 0; hop < HOPS; hop++) {
        amqp_queue_declare(link, 1, queue_name(hop, name, sizeof name), 0, 1, 0, 0, options);
        require(link, "no queue");
    }
    pthread_t threads[HOPS + 1];
    double started = now();
    pthread_create(&threads[HOPS], NULL, produce, NULL);
    for (long hop = 0; hop < HOPS; hop++) pthread_create(&threads[hop], NULL, move, (void *)hop);
    for (int index = 0; index <= HOPS; index++) pthread_join(threads[index], NULL);
    double seconds = now() - started;
    for (int hop = 0; hop < HOPS; hop++) amqp_queue_delete(link, 1, queue_name(hop, name, sizeof name), 0, 0);
    amqp_connection_close(link, AMQP_REPLY_SUCCESS);
    printf("{\"bytes\":%ld,\"messages\":%ld,\"messagesPerSecond\":%.1f,\"seconds\":%.3f,\"window\":%ld}\n", bytes, messages,
           messages / seconds, seconds, window);
    return 0;
}
