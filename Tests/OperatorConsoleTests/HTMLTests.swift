import ImageCore
import ImageSimulation
import Testing

@testable import OperatorConsole

@Suite("Markup")
struct HTMLTests {
    @Test(
        "text is never markup, whatever it holds",
        arguments: ["<script>alert(1)</script>", "\"><img src=x>", "a&b", "'", "\u{0}"]
    )
    func escaped(_ text: String) {
        let html = tag(.p, .class(text)) { text }.markup
        #expect(html.hasPrefix("<p class=\"") && html.hasSuffix("</p>"))
        let inside = html.dropFirst(2).dropLast(4)
        #expect(inside.count { $0 == "<" } == 0 && inside.count { $0 == ">" } == 1 && inside.count { $0 == "\"" } == 2)
        #expect(!html.contains("\u{0}") && !inside.contains("'"))
    }

    @Test("elements hold elements, conditions and loops")
    func built() {
        let html = tag(.ul) {
            for name in ["a", "<b>"] { tag(.li) { name } }
            if Bool(false) { "never" }
            nil as String?
        }
        #expect(html.markup == "<ul><li>a</li><li>&lt;b&gt;</li></ul>")
        #expect(tag(.br).markup == "<br>" && tag(.td).markup == "<td></td>")
    }

    @Test("a page's address and its place are the same, and other addresses are none")
    func places() throws {
        var query = ImageQuery(owner: Owner(known: "acct-1"), status: .error)
        query.page = ImagePage("1700000000000000-img-1")
        query.name = "web golden"
        query.instanceID = InstanceID(known: "i-1")
        for route in [
            Route.overview, .images(ImageQuery()), .images(query), .image(ImageID(known: "img-1")),
            .instances, .deadLetters(DeadLetterFilter()), .deadLetter(DeadLetterID(known: "img-1")), .quotas,
        ] {
            #expect(Route(page: route.address) == route)
        }
        for address in [
            "", "images", "//evil.example", "/images/../x", "/images?status=Gone", "/images?owner=%zz", "/login",
            "/updates",
            "/images?status=Error&status=Error",
        ] {
            #expect(Route(page: address) == nil, "\(address)")
        }
    }

    @Test("forms are read as they were written, and broken ones not at all")
    func forms() throws {
        let fields = try #require(FormFields(parsing: "a=1+2&b=%C3%A4%26&c="))
        #expect(fields["a"] == "1 2" && fields["b"] == "ä&" && fields["c"] == "" && fields["d"] == nil)
        for text in ["a=%", "a=%G0", "a=%ff", "a=1&a=2", (0..<40).map { "f\($0)=1" }.joined(separator: "&")] {
            #expect(FormFields(parsing: text) == nil, "\(text)")
        }
        #expect(URLText.decoded(URLText.encoded("ä /?&=+%")) == "ä /?&=+%")
    }

    @Test("a proof that came later is drawn apart from the making, and of several the last")
    func laterProofs() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1)
        try await rig.finish(id)
        let job = Job.bootProof(LocationName(known: "east"))
        func timelines() async throws -> (making: Timeline, later: Timeline) {
            let image = try #require(try await rig.store.image(id))
            let journal = try await rig.store.journal(of: id, after: 0)
            let now = Rig.start + .seconds(9_000_000)
            return (
                Timeline.making(image, journal: journal, now: now), Timeline.later(image, journal: journal, now: now)
            )
        }
        #expect(try await timelines().later.rows.isEmpty)
        for month in 1...2 {
            rig.time.advance(by: .seconds(month * 2_592_000))
            let context = TransitionContext(now: rig.time.now())
            _ = try await rig.store.apply(.proving(at: LocationName(known: "east")), to: id, in: context)
            try await rig.finish(id)
            let (making, later) = try await timelines()
            #expect(making.to == Rig.start + .seconds(60) && !making.rows.contains { $0.job == job })
            #expect(later.rows.map(\.job) == [job] && later.rows.first?.spans.map(\.kind) == [.done])
            #expect(later.from == rig.time.now() + .seconds(60), "month \(month)")
        }
    }

    @Test("a timeline draws what the journal says, and fits its axis")
    func timeline() async throws {
        let rig = try await Rig()
        let id = try await rig.take(1)
        try await rig.fail(id, StepFailure(.permanent, .failedPrecondition, "it runs"))
        let image = try #require(try await rig.store.image(id))
        let journal = try await rig.store.journal(of: id, after: 0)
        let timeline = Timeline.making(image, journal: journal, now: Rig.start + .seconds(3600))
        let row = try #require(timeline.rows.first)
        #expect(row.spans.map(\.kind) == [.waiting, .failed])
        #expect(row.spans.first?.to == Rig.start + .seconds(60))
        // The image's creation has ended: no clock moves it any more.
        #expect(timeline.to == Rig.start + .seconds(60))
        #expect(timeline.position(timeline.from, of: 1000) == 0 && timeline.position(timeline.to, of: 1000) == 1000)
        #expect(timeline.bar(row).markup.contains("aria-label=\"waited 59 s, failed after 0 ms\""))
    }
}
