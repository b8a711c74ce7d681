import HTTPTypes
import ImageCore

/// Gets what a page shows and draws it.
struct Pages: Sendable {
    static let imagesPerPage = 50
    private static let recentImages = 8
    private static let minute = Duration.seconds(60)

    let store: any ImageStore
    let driver: any ImageDriver
    let queues: QueueHistory
    let time: any Timekeeper

    /// The part of a page that changes by itself. The same for all users of a role.
    /// - Throws: `Problem`
    func live(_ page: Route, for role: Role, at now: Timestamp) async throws -> (title: String, html: HTML) {
        do {
            switch page {
            case .overview: return ("Overview", try await overview(at: now).html)
            case .images(let query):
                let (images, next) = try await self.images(query, limit: Self.imagesPerPage)
                return ("Images", ImagesPage(query: query, images: images, next: next).html)
            case .image(let id):
                guard let image = try await store.image(id) else { throw Problem.noImage(id.text) }
                let story = ImageStory(
                    image: image,
                    journal: try await store.journal(of: id, after: 0),
                    leases: try await store.leases(of: id),
                    workers: try await store.workers(),
                    now: now,
                    offersActions: role == .operator
                )
                return (image.name, story.html)
            case .instances: return ("Instances", try await instances().html)
            case .instance(let id): return (id.text, try await instance(id, for: role).html)
            case .request(let identity): return (RequestPage.title, try await request(identity).html)
            case .deadLetters(let filter):
                let deadLetters = try await store.deadLetters(filter.query(limit: DeadLettersPage.limit))
                return ("Dead and parked", DeadLettersPage(deadLetters: deadLetters).html)
            case .deadLetter(let id):
                let file = try await deadLetter(id)
                return (file.deadLetter.what, DeadLetterPage(file: file, role: role).html)
            case .quotas:
                return ("Quotas", QuotasPage.html(try await store.quotas(limit: QuotasPage.limit), for: role))
            case .action, .replay, .discard, .quota, .login, .logout, .updates, .stylesheet, .script, .icon, .document:
                throw Problem(.notFound, "there is nothing at this address")
            }
        } catch let error as StoreError {
            throw Problem(error)
        }
    }

    /// A value that differs when a page does. Moments are rounded, so that a clock alone changes a page that is at work
    /// every few seconds, and one that is at its end never.
    func fingerprint(of page: Route) async -> String? {
        let step: Int64 = 5_000_000
        let now = Timestamp(microseconds: time.now().microseconds / step * step)
        return try? await live(page, for: .viewer, at: now).html.markup
    }

    /// One page of images, and where the next one begins.
    func images(_ query: ImageQuery, limit: Int) async throws(StoreError) -> (images: [Image], next: ImagePage?) {
        var query = query
        // One more than needed shows whether there is a next page.
        query.limit = limit + 1
        let found = try await store.images(query)
        let images = Array(found.prefix(limit))
        return (images, found.count > limit ? images.last.map { ImagePage(after: $0) } : nil)
    }

    func image(_ id: ImageID) async throws -> Image {
        let image: Image?
        do throws(StoreError) { image = try await store.image(id) } catch { throw Problem(error) }
        guard let image else { throw Problem.noImage(id.text) }
        return image
    }

    func request(_ identity: RequestIdentity) async throws -> RequestPage {
        do throws(StoreError) {
            if let recorded = try await store.answer(to: identity) {
                return RequestPage(identity: identity, recorded: recorded, isWaiting: false)
            }
            let waiting = try await RequestClient.waiting(identity, in: store)
            return RequestPage(identity: identity, recorded: nil, isWaiting: waiting != nil)
        } catch {
            throw Problem(error)
        }
    }

    func deadLetter(_ id: DeadLetterID) async throws -> DeadLetterFile {
        let file: DeadLetterFile?
        do throws(StoreError) { file = try await store.deadLetter(id) } catch { throw Problem(error) }
        guard let file else { throw Problem.noDeadLetter(id.text) }
        return file
    }

    func overview(at now: Timestamp) async throws(StoreError) -> OverviewPage {
        let time = try await store.time()
        let stuck = try await store.unsent(
            before: time + (.zero - Self.minute),
            after: time + StoredTime.tolerance,
            limit: Alarm.stuckLimit
        ).rows
        // A sweep moves them behind all others, so that they never look old.
        let unreadable = try await store.unsent(
            before: time,
            after: time + StoredTime.tolerance,
            limit: Alarm.stuckLimit
        ).unreadable
        let state = queues.now
        let deadLetters = try await store.deadLetterGroups(DeadLetterQuery(kinds: Set(DeadLetter.Kind.allCases)))
        let leases = try await store.leases()
        let workers = WorkerSummary(try await store.workers(), leases: leases)
        let recent = try await store.images(ImageQuery(limit: Self.recentImages))
        return OverviewPage(
            counts: try await store.imageCounts(),
            alarms: Alarm.all(
                in: state,
                stuck: stuck,
                unreadable: unreadable,
                deadLetters: deadLetters,
                workers: workers
            ),
            queues: state,
            recent: recent,
            workers: WorkerTable(workers: workers, leases: leases)
        )
    }

    func instance(_ id: InstanceID, for role: Role) async throws -> InstancePage {
        let instance: Instance
        do throws(StepFailure) { instance = try await driver.describe(id, for: nil) } catch { throw Problem(error) }
        do throws(StoreError) {
            var query = ImageQuery(limit: Self.imagesPerPage)
            query.instanceID = id
            return InstancePage(
                instance: instance,
                holder: try await store.locks().first { $0.key == "instance/\(id)" }?.image,
                images: try await store.images(query),
                role: role
            )
        } catch {
            throw Problem(error)
        }
    }

    func instances() async throws(StoreError) -> InstancesPage {
        let locks = try await store.locks()
        do throws(StepFailure) {
            return InstancesPage(instances: .success(try await driver.instances()), locks: locks)
        } catch {
            return InstancesPage(instances: .failure(error), locks: locks)
        }
    }
}
