/// Manual time, the broker in memory and what intercepts calls across ports: tests and the simulation share them.
@_exported public import ImageSimulation
