-- title: Bell periods and weekdays
-- about: Minutes of use in each bell period, by weekday, added up from one day to another: all staff or one group, all kinds or one; the period is empty outside the bells, weekends count in the total only.
-- parameters: school String, zone String, from Date, to Date, kind String, group String
SELECT
    u.period AS period,
    u.period_kind AS period_kind,
    sumIf(u.minutes, toDayOfWeek(u.day) = 1) AS monday,
    sumIf(u.minutes, toDayOfWeek(u.day) = 2) AS tuesday,
    sumIf(u.minutes, toDayOfWeek(u.day) = 3) AS wednesday,
    sumIf(u.minutes, toDayOfWeek(u.day) = 4) AS thursday,
    sumIf(u.minutes, toDayOfWeek(u.day) = 5) AS friday,
    sum(u.minutes) AS total,
    any(b.clock) AS clock
FROM
(
    SELECT d.day AS day, d.period AS period, d.period_kind AS period_kind, d.minutes AS minutes
    FROM schoolgate.use_period AS d
    WHERE d.school = {school:String} AND d.day >= {from:Date} AND d.day <= {to:Date}
        AND d.people = {group:String}
        AND d.level = if({kind:String} = 'all', 'all', 'kind')
        AND d.kind = if({kind:String} = 'all', '', {kind:String})
) AS u
ALL LEFT JOIN
(
    SELECT toString(r.slot) AS period, formatDateTime(min(toDateTime(r.start, {zone:String})), '%R') AS clock
    FROM schoolgate.bell AS r FINAL
    WHERE r.school = {school:String} AND r.day >= {from:Date} AND r.day <= {to:Date}
    GROUP BY period
) AS b USING (period)
GROUP BY period, period_kind
ORDER BY period = '', clock, period
