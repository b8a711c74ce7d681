// swift-tools-version: 6.2
import PackageDescription

// CI sets this; elsewhere a newer compiler's new warnings must not break the build.
let warnings: [SwiftSetting] =
    Context.environment["GOLDSMITH_WARNINGS"] == "error" ? [.treatAllWarnings(as: .error)] : []

let settings: [SwiftSetting] =
    warnings + [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    ]

// The fuzz targets are ordinary tests over their committed inputs, and with GOLDSMITH_FUZZ=1 (scripts/fuzz sets it) the
// same sources are one libFuzzer program instead, so that a normal build sees nothing of it.
let fuzzed: [Target.Dependency] = ["AMQPClient", "CRabbitMQ", "ImageCore", "ImageDrivers"]
let fuzzing: Target =
    Context.environment["GOLDSMITH_FUZZ"] == "1"
    ? .executableTarget(
        name: "Fuzz",
        dependencies: fuzzed,
        path: "Fuzz",
        exclude: ["Tests", "corpus", "dictionaries"],
        sources: ["Targets", "Driver"],
        swiftSettings: settings
    )
    : .testTarget(
        name: "FuzzTests",
        dependencies: fuzzed,
        path: "Fuzz",
        exclude: ["Driver", "corpus", "dictionaries"],
        sources: ["Targets", "Tests"],
        swiftSettings: settings
    )

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let subprocess = Target.Dependency.product(name: "Subprocess", package: "swift-subprocess")
let systemPackage = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let tracing = Target.Dependency.product(name: "Tracing", package: "swift-distributed-tracing")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")

let package = Package(
    name: "goldsmith",
    products: [
        .executable(name: "goldsmith", targets: ["goldsmith"]),
        .library(name: "AMQPClient", targets: ["AMQPClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        // Generic plumbing: these know nothing of images.
        .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CGuestfs"),
        .systemLibrary(name: "CExt2fs"),
        .systemLibrary(name: "CLibvirt"),
        .systemLibrary(name: "CSwiftConcurrency"),
        .target(name: "AMQPClient", dependencies: ["CRabbitMQ", log], swiftSettings: settings),
        .target(name: "LibvirtClient", dependencies: ["CLibvirt"], swiftSettings: settings),
        .target(
            name: "OpenStackClient",
            dependencies: [
                log, .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: settings
        ),
        .target(name: "PrometheusMetrics", swiftSettings: settings),
        // How a process shows metrics and health to those who watch over it.
        .target(
            name: "Observability",
            dependencies: [
                "PrometheusMetrics", hummingbird, lifecycle, log,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .target(name: "OTLPTracing", dependencies: [lifecycle, log, tracing], swiftSettings: settings),
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .target(
            name: "SQLAccess",
            dependencies: [
                "CPostgres", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "PrivateServers",
            dependencies: [log, subprocess, systemPackage],
            swiftSettings: settings
        ),

        // The domain: everything below points to ImageCore.
        .target(name: "ImageCore", swiftSettings: settings),
        .target(name: "ImageStore", dependencies: ["ImageCore", "SQLAccess"], swiftSettings: settings),
        .target(
            name: "ImageDrivers",
            dependencies: [
                "CExt2fs", "CGuestfs", "CLinux", "ImageCore", "LibvirtClient", crypto, log, subprocess, systemPackage,
            ],
            swiftSettings: settings
        ),
        // A target of its own, so that an HTTP client is not built where folders and domains are enough.
        .target(
            name: "OpenStackDriver",
            dependencies: ["ImageCore", "ImageDrivers", "OpenStackClient", crypto, log],
            swiftSettings: settings
        ),
        .target(
            name: "ImageWorker",
            dependencies: [
                "ImageCore", "PrometheusMetrics", crypto, lifecycle, log, tracing,
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        // What people do at a terminal and in the console alike.
        .target(name: "Operations", dependencies: ["ImageCore"], swiftSettings: settings),
        .target(
            name: "RabbitMQTransport",
            dependencies: ["AMQPClient", "ImageCore", "ImageWorker", "Operations", log],
            swiftSettings: settings
        ),

        // The real core, store and worker in virtual time, with everything around them simulated.
        .target(
            name: "ImageSimulation",
            dependencies: [
                "CSwiftConcurrency", "ImageCore", "ImageDrivers", "ImageStore", "ImageWorker", "SQLAccess", log,
            ],
            swiftSettings: settings
        ),

        // What operators see in a browser; it knows the core's ports and no store.
        .target(
            name: "OperatorConsole",
            dependencies: [
                "ImageCore", "Observability", "Operations", "PrometheusMetrics", crypto, hummingbird, lifecycle, log,
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ],
            // In the program itself: it is one file that can be copied anywhere.
            resources: [
                .embedInCode("Assets/console.css"), .embedInCode("Assets/console.js"), .embedInCode("Assets/icon.svg"),
                .embedInCode("Assets/openapi.json"),
            ],
            swiftSettings: settings
        ),

        // How text stands on a terminal.
        .target(name: "TerminalText", dependencies: [systemPackage], swiftSettings: settings),

        // The command line, as a library so that tests reach it. The only wiring.
        .target(
            name: "GoldsmithCommands",
            dependencies: [
                "AMQPClient", "CLinux", "CMalloc", "ImageCore", "ImageDrivers", "ImageStore", "ImageWorker",
                "LibvirtClient", "OTLPTracing", "Observability", "OpenStackClient", "OpenStackDriver", "Operations",
                "OperatorConsole", "PrivateServers", "RabbitMQTransport", "SQLAccess", "TerminalText", crypto,
                lifecycle, log, subprocess, systemPackage,
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
            ],
            swiftSettings: settings
        ),

        .executableTarget(name: "goldsmith", dependencies: ["GoldsmithCommands"], swiftSettings: settings),

        // Runs the simulation by seed: `make simulate`, not part of the product.
        .executableTarget(
            name: "goldsmith-simulate",
            dependencies: [
                "ImageSimulation", "TerminalText", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),

        // The library AMQPClient alone, at work: run by `make contract`, not part of the product.
        .executableTarget(
            name: "amqp-example",
            dependencies: ["AMQPClient", log],
            path: "examples/amqp",
            exclude: ["README.md"],
            swiftSettings: settings
        ),

        // Measurements: run with `make bench`, not part of the product.
        .executableTarget(
            name: "goldsmith-bench",
            dependencies: [
                "AMQPClient", "PrivateServers", log, systemPackage,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/Orchestration",
            swiftSettings: settings
        ),

        // Real parts under faults: run with `make chaos`, not part of the product.
        .executableTarget(
            name: "goldsmith-chaos",
            dependencies: [
                "AMQPClient", "GoldsmithTestSupport", "ImageCore", "ImageStore", "PrivateServers", "SQLAccess", crypto,
                log, systemPackage,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            path: "Chaos",
            swiftSettings: settings
        ),

        // Tests.
        .target(
            name: "GoldsmithTestSupport",
            dependencies: [
                "AMQPClient", "ImageCore", "ImageDrivers", "ImageSimulation", "ImageStore", "ImageWorker",
                "LibvirtClient", "PrivateServers", "SQLAccess", log, subprocess, systemPackage,
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "AMQPClientTests",
            dependencies: ["AMQPClient", "CRabbitMQ", "PrivateServers", "GoldsmithTestSupport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "OTLPTracingTests",
            dependencies: [
                "OTLPTracing", lifecycle, log, tracing,
                .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "AMQPClient", "GoldsmithCommands", "GoldsmithTestSupport", "ImageCore", "ImageWorker", "LibvirtClient",
                "TerminalText", log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "TerminalTextTests", dependencies: ["TerminalText"], swiftSettings: settings),
        .testTarget(name: "ImageCoreTests", dependencies: ["ImageCore"], swiftSettings: settings),
        .testTarget(
            name: "ImageStoreTests",
            dependencies: ["ImageStore", "GoldsmithTestSupport", systemPackage],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ImageDriversTests",
            dependencies: ["ImageDrivers", "GoldsmithTestSupport", crypto, log],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LibvirtDriverTests",
            dependencies: ["ImageCore", "ImageDrivers", "LibvirtClient", "GoldsmithTestSupport", log, subprocess],
            swiftSettings: settings
        ),
        .testTarget(
            name: "OpenStackTests",
            dependencies: [
                "GoldsmithTestSupport", "ImageCore", "ImageDrivers", "OpenStackClient", "OpenStackDriver", log,
                subprocess,
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "GuestCheckTests",
            dependencies: ["ImageCore", "ImageDrivers", "GoldsmithTestSupport", log],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ImageWorkerTests",
            dependencies: ["ImageWorker", "GoldsmithTestSupport", "PrometheusMetrics", "OTLPTracing", tracing],
            swiftSettings: settings
        ),
        .testTarget(
            name: "OperationsTests",
            dependencies: [
                "GoldsmithTestSupport", "ImageCore", "ImageSimulation", "ImageStore", "Operations", "SQLAccess",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "RabbitMQTransportTests",
            dependencies: ["AMQPClient", "GoldsmithTestSupport", "ImageCore", "ImageWorker", "RabbitMQTransport"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ObservabilityTests",
            dependencies: [
                "GoldsmithTestSupport", "Observability", hummingbird,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "OperatorConsoleTests",
            dependencies: [
                "OperatorConsole", "GoldsmithTestSupport", "ImageCore", "ImageDrivers", "ImageSimulation", "ImageStore",
                "Observability", "Operations", "SQLAccess", hummingbird, lifecycle, log,
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
            ],
            swiftSettings: settings
        ),
        .testTarget(name: "ImageSimulationTests", dependencies: ["ImageSimulation"], swiftSettings: settings),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "AMQPClient", "GoldsmithTestSupport", "ImageCore", "ImageDrivers", "ImageStore", "ImageWorker",
                "PrivateServers", "RabbitMQTransport", "SQLAccess", hummingbird, log, subprocess, systemPackage,
            ],
            swiftSettings: settings
        ),
        fuzzing,
    ]
)
